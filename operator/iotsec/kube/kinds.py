"""The kinds of identity. They share one pipeline; what differs is here, as data."""

from dataclasses import dataclass

from iotsec.api.device import DeviceSpec
from iotsec.api.identity import IdentitySpec
from iotsec.kube.resources import DEVICES, Resource


@dataclass(frozen=True, slots=True)
class IdentityKind:
    """One kind of identity."""

    resource: Resource
    spec: type[IdentitySpec]
    id_field: str | None
    """The field of the spec that may name the id; else it is the object's name."""


IDENTITY_KINDS = {"Device": IdentityKind(DEVICES, DeviceSpec, "deviceId")}
