"""The kinds of identity. They share one pipeline; what differs is here, as data."""

from dataclasses import dataclass

from iotsec.api.client import ClientSpec
from iotsec.api.device import DeviceSpec
from iotsec.api.identity import IdentitySpec
from iotsec.api.module import ModuleSpec
from iotsec.kube.resources import CLIENTS, DEVICES, MODULES, Resource


@dataclass(frozen=True, slots=True)
class IdentityKind:
    """One kind of identity."""

    resource: Resource
    spec: type[IdentitySpec]


IDENTITY_KINDS = {
    "Device": IdentityKind(DEVICES, DeviceSpec),
    "Module": IdentityKind(MODULES, ModuleSpec),
    "Client": IdentityKind(CLIENTS, ClientSpec),
}
