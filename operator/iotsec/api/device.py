"""The Device: the identity of one device."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from iotsec.api.constraints import Rule, Text
from iotsec.api.identity import ID_PATTERN, RESERVED, RESERVED_IDS, Identity, IdentitySpec, IdentityStatus, LiteralToken
from iotsec.api.model import SpecError

NAME_LENGTH = 253 - len("-device-creds")  # with what the default name of its Secret adds

DeviceRole = Literal["device", "device-any"]

_NAME_IS_NO_ID = "metadata.name is no device id: write spec.deviceId, 1 to 64 letters, digits, underscores and dashes"
_is_id = re.compile(ID_PATTERN).fullmatch
_is_reserved = re.compile(RESERVED_IDS).fullmatch


class DeviceSpec(IdentitySpec):
    """What the user declares of a device."""

    device_id: LiteralToken | None = Field(
        default=None, description="Id of the device, one token of its subjects; metadata.name by default."
    )
    role: DeviceRole = Field(
        default="device",
        description="device, the default: its own subjects; device-any: those of every device.",
    )

    @property
    def own_id(self) -> str | None:
        """The device id where the spec says one."""
        return self.device_id


class DeviceStatus(IdentityStatus):
    """What the operator found and made."""

    device_id: Annotated[str, Text(64)] | None = Field(default=None, description="Id in force.")


class Device(Identity):
    """The identity of a device on NATS."""

    cel_rules = (
        Rule(
            f"has(self.spec.deviceId) || self.metadata.name.matches('{ID_PATTERN}')",
            _NAME_IS_NO_ID,
            path=".spec.deviceId",
            reason="FieldValueRequired",
        ),
        Rule(
            f"has(self.spec.deviceId) || !self.metadata.name.matches('{RESERVED_IDS}')",
            RESERVED,
            path=".spec.deviceId",
        ),
    )

    spec: DeviceSpec
    status: DeviceStatus = DeviceStatus()


def parse_device(obj: Mapping[str, Any]) -> Device:
    """The Device that a JSON object of the API says.

    Raises:
        SpecError: it is not a valid Device.

    """
    device = Device.parse(obj)
    if not _is_id(device.id):
        raise SpecError("spec.deviceId", _NAME_IS_NO_ID)
    if _is_reserved(device.id):
        raise SpecError("spec.deviceId", RESERVED)
    return device
