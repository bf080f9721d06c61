"""The Module: the identity of a server-side component."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from iotsec.api.constraints import Text
from iotsec.api.identity import Identity, IdentitySpec, IdentityStatus, LiteralToken, id_rules
from iotsec.api.meta import SUBDOMAIN, Timestamp
from iotsec.api.model import Model, SpecError
from iotsec.api.network import ModuleNetwork
from iotsec.api.roles import RoleName

NAME_LENGTH = 253 - len("-module-creds")  # with what the default name of its Secret adds

_OF_THE_NETWORK = ("hubRef", "role", "connectionTypes", "suspended", "network")

WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet"]


class Workload(Model):
    """What runs the component, in the Module's namespace."""

    kind: WorkloadKind = Field(description="Kind of the workload.")
    name: Annotated[str, Text(253, SUBDOMAIN, "write the name of the workload")] = Field(
        description="Name of the workload."
    )
    on_rotation: Literal["None", "Restart"] = Field(
        default="None",
        description="None, the default; Restart: its pods are replaced when the credentials in the Secret are.",
    )


class ModuleSpec(IdentitySpec):
    """What the user declares of a component."""

    id_field: ClassVar[str] = "moduleId"

    module_id: LiteralToken | None = Field(
        default=None, description="Id of the module, one token of its subjects; metadata.name by default."
    )
    role: RoleName = Field(default="module", description="Name of its role; module by default.")
    workload: Workload | None = Field(default=None, description="What runs it.")
    network: ModuleNetwork | None = Field(
        default=None, description="What its pods reach and are reached by; no NetworkPolicy is made by default."
    )

    @property
    def own_id(self) -> str | None:
        """The module id where the spec says one."""
        return self.module_id

    @classmethod
    def parse_network(cls, value: Mapping[str, Any]) -> Self | None:
        """The spec with no more than what its NetworkPolicies follow from; ``None`` where that breaks a rule.

        A Module whose spec is wrong elsewhere, in the eyes of an operator that is stricter than the API server was,
        must not lose the policies that its pods are closed by.
        """
        try:
            return cls.parse({name: value[name] for name in _OF_THE_NETWORK if name in value})
        except SpecError:
            return None


class ModuleStatus(IdentityStatus):
    """What the operator found and made."""

    restarted_at: Timestamp | None = Field(
        default=None, description="Issue of the credentials that its workload was last restarted for."
    )


class Module(Identity):
    """The identity of a server-side component on NATS."""

    cel_rules = id_rules(ModuleSpec.id_field)

    spec: ModuleSpec
    status: ModuleStatus = ModuleStatus()
