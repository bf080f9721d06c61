"""The Client: the identity of a person, a command-line tool or a dashboard."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from iotsec.api.constraints import Rule
from iotsec.api.identity import Identity, IdentitySpec, IdentityStatus, LiteralToken, id_rules
from iotsec.api.roles import RoleName

NAME_LENGTH = 253 - len("-client-creds")  # with what the default name of its Secret adds

AccessLevel = Literal["Standard", "ReadOnly", "Swarm"]

_ROLES = {"Standard": "client-standard", "ReadOnly": "client-read-only", "Swarm": "client-swarm"}
_ONE_OF = "write accessLevel or role, not both"


class ClientSpec(IdentitySpec):
    """What the user declares of a client."""

    cel_rules = (
        *IdentitySpec.cel_rules,
        Rule("!has(self.accessLevel) || !has(self.role)", _ONE_OF, path=".role"),
    )
    id_field: ClassVar[str] = "clientId"

    client_id: LiteralToken | None = Field(
        default=None, description="Id of the client, one token of its subjects; metadata.name by default."
    )
    access_level: AccessLevel | None = Field(
        default=None,
        description="ReadOnly, the default: lists; Standard: every request to modules; Swarm: simulates devices too.",
    )
    role: RoleName | None = Field(  # type: ignore[assignment]
        default=None, description="Name of a role of the Hub, instead of an access level."
    )

    @model_validator(mode="after")
    def _has_one_of_both(self) -> "ClientSpec":
        if self.access_level is not None and self.role is not None:
            raise ValueError(_ONE_OF)
        return self

    @property
    def own_id(self) -> str | None:
        """The client id where the spec says one."""
        return self.client_id

    @property
    def effective_role(self) -> str:
        """The role, given or meant by the access level."""
        return self.role or _ROLES[self.access_level or "ReadOnly"]


class ClientStatus(IdentityStatus):
    """What the operator found and made."""


class Client(Identity):
    """The identity of a person, a tool or a dashboard on NATS."""

    cel_rules = id_rules(ClientSpec.id_field)

    spec: ClientSpec
    status: ClientStatus = ClientStatus()
