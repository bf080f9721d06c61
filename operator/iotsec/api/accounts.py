"""The accounts of a Hub: who may be in them, what they may use, and what they share with each other."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.durations import AnswerTime
from iotsec.api.jet_stream import JetStream
from iotsec.api.model import Model
from iotsec.api.permissions import DefaultPermissions
from iotsec.api.quantities import Quantity
from iotsec.api.roles import RoleName
from iotsec.api.selectors import Namespaces
from iotsec.api.subject_rules import SharedSubject

AccountName = Annotated[
    str,
    Text(
        40,
        "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$",
        "write an account name: 1 to 40 lower-case letters, digits and dashes, beginning and ending with no dash",
    ),
]

_COUNT = Annotated[int, Field(ge=1, le=2**31 - 1)]
_NONE_OR_MORE = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Limits(Model):
    """How much an account may use; what is left out is unlimited."""

    connections: _NONE_OR_MORE | None = Field(default=None, description="Connections at a time.")
    leaf_nodes: _NONE_OR_MORE | None = Field(default=None, description="Leaf nodes at a time.")
    subscriptions: _COUNT | None = Field(default=None, description="Subscriptions of each connection.")
    payload: Quantity | None = Field(default=None, description="Size of a message, such as 1Mi.")
    imports: _NONE_OR_MORE | None = Field(default=None, description="Imports.")
    exports: _NONE_OR_MORE | None = Field(default=None, description="Exports.")
    wildcard_exports: bool = Field(default=True, description="Whether exports may have wildcards.")
    disallow_bearer: bool = Field(
        default=False, description="Whether JWTs that need no key, as MQTT clients use, are refused."
    )


ShareType = Literal["Stream", "Service"]
_SHARE_NAME = Annotated[str, Text(64, "^[A-Za-z0-9_.-]{1,64}$", "write letters, digits, dots, dashes and underscores")]


class Export(Model):
    """Subjects of this account that other accounts may import."""

    cel_rules = (
        Rule(
            "self.type == 'Service' || !(has(self.responseType) || has(self.responseThreshold))",
            "responseType and responseThreshold are for exports of type Service",
            path=".responseType",
        ),
    )

    name: _SHARE_NAME = Field(description="Name of the export.")
    type: ShareType = Field(description="Stream: messages flow to the importer; Service: requests come from it.")
    subject: SharedSubject = Field(description="Subject that is exported; wildcards are allowed.")
    accounts: Annotated[tuple[Annotated[str, Text(40)], ...], Items(32, min_items=1, kind="set")] = Field(
        default=(),
        description="Accounts of this Hub that may import it, each by an activation token; every account by default.",
    )
    response_type: Literal["Singleton", "Stream", "Chunked"] | None = Field(
        default=None, description="How a service answers; one answer by default."
    )
    response_threshold: AnswerTime | None = Field(default=None, description="How long a service may take to answer.")
    advertise: bool = Field(default=False, description="Whether it is shown to others.")
    description: Annotated[str, Text(256)] = Field(default="", description="What it is for.")

    @model_validator(mode="after")
    def _answers_only_as_a_service(self) -> "Export":
        if self.type == "Stream" and (self.response_type or self.response_threshold):
            raise ValueError("responseType and responseThreshold are for exports of type Service")
        return self


class Import(Model):
    """Subjects of another account of this Hub."""

    name: _SHARE_NAME = Field(description="Name of the import.")
    account: AccountName = Field(description="Account that exports it.")
    type: ShareType = Field(description="As the export says.")
    subject: SharedSubject = Field(description="Subject in the exporting account, within what it exports.")
    local_subject: SharedSubject | None = Field(
        default=None, description="Subject in this account; the same by default."
    )
    share: bool = Field(
        default=False, description="Whether the exporter is told who asks; for services, with latency in view."
    )


_FROM_ITSELF = "an account does not import from itself: write the name of another account"
_WILDCARD_EXPORTS = (
    "limits.wildcardExports is false and an export has a wildcard: write the subjects out, or leave the limit out"
)
_TOO_MANY_EXPORTS = "there are more exports than limits.exports has room for: raise the limit, or leave some out"
_TOO_MANY_IMPORTS = "there are more imports than limits.imports has room for: raise the limit, or leave some out"


def _room_for(shares: str) -> str:
    """CEL that is true where the limit of exports or imports is kept."""
    return (
        f"!has(self.limits) || !has(self.limits.{shares}) || !has(self.{shares}) || "
        f"self.{shares}.size() <= self.limits.{shares}"
    )


class Account(Model):
    """A NATS account of the Hub."""

    cel_rules = (
        Rule(
            "!has(self.imports) || self.imports.all(i, i.account != self.name)",
            _FROM_ITSELF,
            path=".imports",
        ),
        Rule(
            "!has(self.limits) || !has(self.limits.wildcardExports) || self.limits.wildcardExports || "
            "!has(self.exports) || self.exports.all(e, !e.subject.matches('[*>]'))",
            _WILDCARD_EXPORTS,
            path=".exports",
        ),
        Rule(_room_for("exports"), _TOO_MANY_EXPORTS, path=".exports"),
        Rule(_room_for("imports"), _TOO_MANY_IMPORTS, path=".imports"),
    )

    name: AccountName = Field(description="Name of the account.")
    description: Annotated[str, Text(256)] = Field(default="", description="What it is for; servers never see it.")
    namespaces: Namespaces = Field(
        default=Namespaces(), description="Namespaces whose identities may be in the account."
    )
    roles: Annotated[tuple[RoleName, ...], Items(64, min_items=1, kind="set")] = Field(
        default=(), description="Roles that identities in the account may have; every role by default."
    )
    own_permissions: Literal["Allowed", "Refused"] = Field(
        default="Allowed",
        description="Allowed, the default; Refused: identities here have the permissions of their role alone.",
    )
    limits: Limits = Field(default=Limits(), description="How much the account may use.")
    jet_stream: JetStream | None = Field(default=None, description="JetStream; off by default. MQTT needs it.")
    exports: Annotated[tuple[Export, ...], Items(64, kind="map", key="name")] = Field(
        default=(), description="What other accounts may import."
    )
    imports: Annotated[tuple[Import, ...], Items(64, kind="map", key="name")] = Field(
        default=(), description="What it imports from other accounts."
    )
    default_permissions: DefaultPermissions | None = Field(
        default=None, description="Permissions of users that were given none, as existing users may be."
    )

    @model_validator(mode="after")
    def _shares_within_its_limits(self) -> "Account":
        limits = self.limits
        if any(shared.account == self.name for shared in self.imports):
            raise ValueError(_FROM_ITSELF)
        if not limits.wildcard_exports and any(set("*>") & set(shared.subject) for shared in self.exports):
            raise ValueError(_WILDCARD_EXPORTS)
        if limits.exports is not None and len(self.exports) > limits.exports:
            raise ValueError(_TOO_MANY_EXPORTS)
        if limits.imports is not None and len(self.imports) > limits.imports:
            raise ValueError(_TOO_MANY_IMPORTS)
        return self
