"""How much users and accounts may use (jwt v2 types.go `Limits`, user_claims.go, account_claims.go).

-1 is unlimited and written out: on the wire an absent limit is 0, and 0 is "none allowed".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from iotsec.nats.claims.permissions import Permissions
from iotsec.nats.claims.wire import (
    InvalidClaims,
    distinct,
    flag,
    normalise,
    number,
    present,
    record,
    records,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

UNLIMITED: Final = -1


class ConnectionType(StrEnum):
    """How a user may connect; nats-server ignores other words, and refuses the user if it knows none of them."""

    STANDARD = "STANDARD"
    WEBSOCKET = "WEBSOCKET"
    LEAFNODE = "LEAFNODE"
    LEAFNODE_WS = "LEAFNODE_WS"
    MQTT = "MQTT"
    MQTT_WS = "MQTT_WS"
    IN_PROCESS = "IN_PROCESS"


@dataclass(frozen=True, slots=True, order=True)
class TimeRange:
    """Hours of each day in which a user may be connected, as `HH:MM:SS`; the server cuts it off at the end."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class UserPermissionLimits:
    """All that a user JWT, or the template of a scoped signing key, grants (jwt v2 `UserPermissionLimits`).

    `subscriptions`, `data` (bytes) and `payload` (bytes) are counts, `source_networks` CIDRs of the TCP peer, and
    `times_location` the IANA zone of `times`.
    """

    permissions: Permissions = field(default_factory=Permissions)
    source_networks: tuple[str, ...] = ()
    times: tuple[TimeRange, ...] = ()
    times_location: str = ""
    subscriptions: int = UNLIMITED
    data: int = UNLIMITED
    payload: int = UNLIMITED
    bearer_token: bool = False
    proxy_required: bool = False
    connection_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        normalise(
            self,
            source_networks=distinct(self.source_networks),
            times=tuple(sorted(set(self.times))),
            connection_types=distinct(self.connection_types),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields of the limits, in Go's order."""
        return {
            **self.permissions.to_json(),
            **present(
                {
                    "src": self.source_networks,
                    "times": [present({"start": hours.start, "end": hours.end}) for hours in self.times],
                    "times_location": self.times_location,
                    "subs": self.subscriptions,
                    "data": self.data,
                    "payload": self.payload,
                    "bearer_token": self.bearer_token,
                    "proxy_required": self.proxy_required,
                    "allowed_connection_types": self.connection_types,
                }
            ),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any], *, absent: int = 0) -> UserPermissionLimits:
        """Reads the limits from the object that has them among its fields; raises `InvalidClaims`.

        `absent` is what a missing count is: 0 in a user, -1 in a template, which jwt v2 `NewUserScope` prefills.
        """
        return cls(
            permissions=Permissions.from_json(body),
            source_networks=_networks(body),
            times=tuple(TimeRange(text(hours, "start"), text(hours, "end")) for hours in records(body, "times")),
            times_location=text(body, "times_location"),
            subscriptions=number(body, "subs", absent),
            data=number(body, "data", absent),
            payload=number(body, "payload", absent),
            bearer_token=flag(body, "bearer_token"),
            proxy_required=flag(body, "proxy_required"),
            connection_types=texts(body, "allowed_connection_types"),
        )


NOTHING_SET: Final = UserPermissionLimits(subscriptions=0, data=0, payload=0)
"""What a user JWT reads as that leaves everything to a scope: jwt v2 `HasEmptyPermissions`."""


@dataclass(frozen=True, slots=True)
class JetStreamLimits:
    """What an account may store. Without storage JetStream, and so MQTT, is off.

    Storage and stream sizes are bytes. For the storages, streams and consumers -1 is unlimited; for `max_ack_pending`
    and the two stream sizes 0 is too.
    """

    memory_storage: int = 0
    disk_storage: int = 0
    streams: int = UNLIMITED
    consumers: int = UNLIMITED
    max_ack_pending: int = 0
    memory_max_stream_bytes: int = 0
    disk_max_stream_bytes: int = 0
    max_bytes_required: bool = False

    def to_json(self) -> dict[str, Any]:
        """The fields of the limits, in Go's order."""
        return present(
            {
                "mem_storage": self.memory_storage,
                "disk_storage": self.disk_storage,
                "streams": self.streams,
                "consumer": self.consumers,
                "max_ack_pending": self.max_ack_pending,
                "mem_max_stream_bytes": self.memory_max_stream_bytes,
                "disk_max_stream_bytes": self.disk_max_stream_bytes,
                "max_bytes_required": self.max_bytes_required,
            }
        )

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> JetStreamLimits:
        """Reads the limits from the object that has them among its fields; raises `InvalidClaims`."""
        return cls(
            memory_storage=number(body, "mem_storage"),
            disk_storage=number(body, "disk_storage"),
            streams=number(body, "streams"),
            consumers=number(body, "consumer"),
            max_ack_pending=number(body, "max_ack_pending"),
            memory_max_stream_bytes=number(body, "mem_max_stream_bytes"),
            disk_max_stream_bytes=number(body, "disk_max_stream_bytes"),
            max_bytes_required=flag(body, "max_bytes_required"),
        )


_JETSTREAM_OFF: Final = JetStreamLimits(streams=0, consumers=0)


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What an account may use (jwt v2 `OperatorLimits`).

    JetStream is off without `jetstream` and `tiers`. Tiers are by replication (`R1`, `R3`) and exclude `jetstream`.
    nats-server does not enforce `data`, `imports` and `exports`.
    """

    subscriptions: int = UNLIMITED
    data: int = UNLIMITED
    payload: int = UNLIMITED
    imports: int = UNLIMITED
    exports: int = UNLIMITED
    wildcard_exports: bool = True
    disallow_bearer: bool = False
    connections: int = UNLIMITED
    leaf_nodes: int = UNLIMITED
    jetstream: JetStreamLimits | None = None
    tiers: Mapping[str, JetStreamLimits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        normalise(
            self,
            jetstream=None if self.jetstream == _JETSTREAM_OFF else self.jetstream,
            tiers=dict(sorted(self.tiers.items())),
        )

    def to_json(self) -> dict[str, Any]:
        """The `limits` object; raises `InvalidClaims` if JetStream is limited both by tier and at large."""
        if self.tiers and (self.jetstream is not None or "" in self.tiers):
            raise InvalidClaims("write JetStream limits either by tier, each with a name such as R3, or at large")
        return {
            **present(
                {
                    "subs": self.subscriptions,
                    "data": self.data,
                    "payload": self.payload,
                    "imports": self.imports,
                    "exports": self.exports,
                    "wildcards": self.wildcard_exports,
                    "disallow_bearer": self.disallow_bearer,
                    "conn": self.connections,
                    "leaf": self.leaf_nodes,
                }
            ),
            **(self.jetstream.to_json() if self.jetstream else {}),
            **present({"tiered_limits": {name: tier.to_json() for name, tier in self.tiers.items()}}),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> AccountLimits:
        """Reads the `limits` object, where an absent limit is 0; raises `InvalidClaims`."""
        tiers = record(body, "tiered_limits")
        return cls(
            subscriptions=number(body, "subs"),
            data=number(body, "data"),
            payload=number(body, "payload"),
            imports=number(body, "imports"),
            exports=number(body, "exports"),
            wildcard_exports=flag(body, "wildcards"),
            disallow_bearer=flag(body, "disallow_bearer"),
            connections=number(body, "conn"),
            leaf_nodes=number(body, "leaf"),
            # As jwt v2 decoder_account.go: where there are tiers, limits at large do not count.
            jetstream=None if tiers else JetStreamLimits.from_json(body),
            tiers={name: JetStreamLimits.from_json(record(tiers, name)) for name in tiers},
        )


def _networks(body: Mapping[str, Any]) -> tuple[str, ...]:
    found = body.get("src")
    if isinstance(found, str):  # jwt v2 types.go `CIDRList`: old tokens have one string with commas
        return tuple(network for network in (part.strip() for part in found.lower().split(",")) if network)
    return texts(body, "src")
