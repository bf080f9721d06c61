"""The Device: the identity of one device."""

from typing import ClassVar

from pydantic import Field

from iotsec.api.identity import Identity, IdentitySpec, IdentityStatus, LiteralToken, id_rules
from iotsec.api.roles import RoleName

NAME_LENGTH = 253 - len("-device-creds")  # with what the default name of its Secret adds


class DeviceSpec(IdentitySpec):
    """What the user declares of a device."""

    id_field: ClassVar[str] = "deviceId"

    device_id: LiteralToken | None = Field(
        default=None, description="Id of the device, one token of its subjects; metadata.name by default."
    )
    role: RoleName = Field(
        default="device",
        description="Name of its role: device, the default, its own subjects; device-any, those of every device; "
        "or another role of the Hub.",
    )

    @property
    def own_id(self) -> str | None:
        """The device id where the spec says one."""
        return self.device_id


class DeviceStatus(IdentityStatus):
    """What the operator found and made."""


class Device(Identity):
    """The identity of a device on NATS."""

    cel_rules = id_rules(DeviceSpec.id_field)

    spec: DeviceSpec
    status: DeviceStatus = DeviceStatus()
