"""Roles: what the identities that have one may do, written once for all of them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.durations import AnswerTime
from iotsec.api.model import Model
from iotsec.api.networks import Network
from iotsec.api.permissions import PermissionLists
from iotsec.api.quantities import Quantity
from iotsec.api.subject_rules import BARE, BroadPublish, BroadSubscribe, PublishDeny, SubscribeDeny

PRESET_NAMES = ("device", "device-any", "module", "client-standard", "client-read-only", "client-swarm")
"""Roles that every Hub has."""

RoleName = Annotated[
    str,
    Text(
        40,
        "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$",
        "write a role name: 1 to 40 lower-case letters, digits and dashes, beginning and ending with no dash",
    ),
]

_subjects = Items(64)
_BROAD = (
    "a subject of wildcards alone, such as > or *.>, reaches every identity in the account: "
    "write at least one token out, or set allowBroad to true on this role"
)
_NOTHING = (
    "a role must allow something, since a server takes empty lists for leave to do everything: "
    "write publish.allow or subscribe.allow"
)
_COUNT = Field(ge=1, le=2**31 - 1)


class RolePublish(PermissionLists):
    """Subjects the role may and may not publish to."""

    allow: Annotated[tuple[BroadPublish, ...], _subjects] = Field(
        default=(), description="Subjects it may publish to; {id} stands for the id of each identity."
    )
    deny: Annotated[tuple[PublishDeny, ...], _subjects] = Field(
        default=(), description="Subjects it may not publish to, whatever allows them."
    )


class RoleSubscribe(PermissionLists):
    """Subjects the role may and may not subscribe to."""

    allow: Annotated[tuple[BroadSubscribe, ...], _subjects] = Field(
        default=(), description="Subjects it may subscribe to, each optionally with one space and a queue group."
    )
    deny: Annotated[tuple[SubscribeDeny, ...], _subjects] = Field(
        default=(), description="Subjects it may not subscribe to, whatever allows them."
    )


class Answers(Model):
    """Leave to answer requests on whatever reply subject they name."""

    max: Annotated[int, _COUNT] = Field(default=1, description="How many answers a request may get; 1 by default.")
    ttl: AnswerTime | None = Field(default=None, description="For how long it may be answered; 2m by default.")


class RoleLimits(Model):
    """How much one identity of the role may use."""

    subscriptions: Annotated[int, _COUNT] | None = Field(default=None, description="Subscriptions at a time.")
    payload: Quantity | None = Field(default=None, description="Size of a message, such as 64Ki.")
    source_cidrs: Annotated[tuple[Network, ...], Items(32, kind="set")] = Field(
        default=(),
        alias="sourceCIDRs",
        description="Networks it may connect from, as the server sees the peer's address.",
    )


ConnectionType = Literal["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "IN_PROCESS", "MQTT", "MQTT_WS"]


def _some(lists: str) -> str:
    """CEL that is true where a list of subjects allows any."""
    return f"(has(self.{lists}) && has(self.{lists}.allow) && self.{lists}.allow.size() > 0)"


class Role(Model):
    """A role that identities can have; one of a preset's name takes its place."""

    cel_rules = (
        Rule(
            "(has(self.allowBroad) && self.allowBroad) || !has(self.publish) || !has(self.publish.allow) || "
            f"!self.publish.allow.exists(s, s.matches('{BARE}'))",
            _BROAD,
            path=".publish",
        ),
        Rule(
            "(has(self.allowBroad) && self.allowBroad) || !has(self.subscribe) || !has(self.subscribe.allow) || "
            f"!self.subscribe.allow.exists(s, s.matches('{BARE}'))",
            _BROAD,
            path=".subscribe",
        ),
        Rule(f"{_some('publish')} || {_some('subscribe')}", _NOTHING),
    )

    name: RoleName = Field(description="Name of the role.")
    description: Annotated[str, Text(256)] = Field(default="", description="What it is for; servers never see it.")
    publish: RolePublish = Field(default=RolePublish(), description="What it may publish.")
    subscribe: RoleSubscribe = Field(default=RoleSubscribe(), description="What it may subscribe to.")
    allow_responses: Answers | None = Field(
        default=None, description="Whether it may answer requests; not unless given."
    )
    allow_broad: bool = Field(
        default=False, description="Whether subjects of wildcards alone, such as *.>, may be allowed."
    )
    connection_types: Annotated[tuple[ConnectionType, ...], Items(7, min_items=1, kind="set")] = Field(
        default=(), description="How identities of this role may connect; any way but MQTT by default."
    )
    limits: RoleLimits = Field(default=RoleLimits(), description="How much an identity of this role may use.")

    @model_validator(mode="after")
    def _allows_something_that_names_a_token(self) -> "Role":
        if not self.allow_broad and any(map(_is_bare, (*self.publish.allow, *self.subscribe.allow))):
            raise ValueError(_BROAD)
        if not (self.publish.allow or self.subscribe.allow):
            raise ValueError(_NOTHING)
        return self


def _is_bare(subject: str) -> bool:
    """Whether a subject is made of wildcards alone."""
    return all(token in ("*", ">") for token in subject.partition(" ")[0].split("."))
