"""What a user may publish and subscribe to (jwt v2 types.go `Permissions`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.wire import distinct, normalise, number, present, record, texts

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Responses:
    """Leave to publish to the reply subject of a request received.

    `max_messages` per request (0 is read as 1, negative as unlimited) within `expires_ns` nanoseconds (0 is read as two
    minutes, negative as forever), by nats-server auth.go `validateResponsePermissions`. Without any `publish_allow` it
    also means: publish nothing else.
    """

    max_messages: int = 1
    expires_ns: int = 0

    def to_json(self) -> dict[str, Any]:
        """The `resp` object; Go writes both numbers even where they are 0."""
        return {"max": self.max_messages, "ttl": self.expires_ns}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Responses:
        """Reads a `resp` object; raises `InvalidClaims`."""
        return cls(max_messages=number(body, "max"), expires_ns=number(body, "ttl"))


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects by what may be done with them; checked by `iotsec.nats.subjects`, not here.

    Nothing at all allows everything, unless the account has default permissions.
    """

    publish_allow: tuple[str, ...] = ()
    publish_deny: tuple[str, ...] = ()
    subscribe_allow: tuple[str, ...] = ()
    subscribe_deny: tuple[str, ...] = ()
    responses: Responses | None = None

    def __post_init__(self) -> None:
        normalise(
            self,
            publish_allow=distinct(self.publish_allow),
            publish_deny=distinct(self.publish_deny),
            subscribe_allow=distinct(self.subscribe_allow),
            subscribe_deny=distinct(self.subscribe_deny),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields `pub`, `sub` and `resp`; Go writes the first two even where they are empty."""
        body: dict[str, Any] = {
            "pub": present({"allow": self.publish_allow, "deny": self.publish_deny}),
            "sub": present({"allow": self.subscribe_allow, "deny": self.subscribe_deny}),
        }
        if self.responses is not None:
            body["resp"] = self.responses.to_json()
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Permissions:
        """Reads `pub`, `sub` and `resp` from the object that has them among its fields; raises `InvalidClaims`."""
        publish, subscribe = record(body, "pub"), record(body, "sub")
        return cls(
            publish_allow=texts(publish, "allow"),
            publish_deny=texts(publish, "deny"),
            subscribe_allow=texts(subscribe, "allow"),
            subscribe_deny=texts(subscribe, "deny"),
            responses=Responses.from_json(record(body, "resp")) if body.get("resp") is not None else None,
        )
