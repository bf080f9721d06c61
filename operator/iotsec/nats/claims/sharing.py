"""Subjects that accounts share with each other (jwt v2 imports.go and exports.go)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.wire import InvalidClaims, flag, normalise, number, present, record, text, times_by_key
from iotsec.nats.keys import KeyType, check_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping


class ShareKind(StrEnum):
    """Whether messages flow from the exporter (stream) or requests to it (service)."""

    STREAM = "stream"
    SERVICE = "service"


class ResponseType(StrEnum):
    """How a service answers one request; empty on the wire is the same as Singleton."""

    SINGLETON = "Singleton"
    STREAM = "Stream"
    CHUNKED = "Chunked"


@dataclass(frozen=True, slots=True)
class Import:
    """A subject of another account, offered in this one as `local_subject` if given.

    `account` is the exporter's public key, `token` its activation where the export wants one. `to` is the old form of
    `local_subject`, written by old tools; the two exclude each other.
    """

    subject: str
    account: str
    kind: ShareKind
    name: str = ""
    token: str = field(default="", repr=False)
    to: str = ""
    local_subject: str = ""
    share: bool = False
    allow_trace: bool = False

    def to_json(self) -> dict[str, Any]:
        """One entry of `imports`, in Go's order; raises `InvalidKey`."""
        check_public_key(self.account, KeyType.ACCOUNT)
        return present(
            {
                "name": self.name,
                "subject": self.subject,
                "account": self.account,
                "token": self.token,
                "to": self.to,
                "local_subject": self.local_subject,
                "type": self.kind,
                "share": self.share,
                "allow_trace": self.allow_trace,
            }
        )

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Import:
        """Reads one entry of `imports`; raises `InvalidClaims`."""
        return cls(
            subject=text(body, "subject"),
            account=text(body, "account"),
            kind=share_kind(body, "type"),
            name=text(body, "name"),
            token=text(body, "token"),
            to=text(body, "to"),
            local_subject=text(body, "local_subject"),
            share=flag(body, "share"),
            allow_trace=flag(body, "allow_trace"),
        )


@dataclass(frozen=True, slots=True)
class ServiceLatency:
    """Measurements of a service, published to `results`: of `sampling` percent of requests, or 0 where headers ask."""

    results: str
    sampling: int = 0

    def to_json(self) -> dict[str, Any]:
        """The `service_latency` object; raises `InvalidClaims`."""
        if not 0 <= self.sampling <= 100:  # noqa: PLR2004 - percent
            raise InvalidClaims("the sampling of a latency is 1 to 100 percent, or 0 for headers")
        return {"sampling": self.sampling or "headers", "results": self.results}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ServiceLatency:
        """Reads the `service_latency` object; raises `InvalidClaims`."""
        by_headers = str(body.get("sampling")).lower() == "headers"
        return cls(results=text(body, "results"), sampling=0 if by_headers else number(body, "sampling"))


@dataclass(frozen=True, slots=True)
class Export:
    """A subject this account offers to others, only to holders of an activation if `token_required`.

    `revocations` maps importing accounts (or `*`) to the Unix second up to which their activations are void.
    `response_threshold_ns` is nanoseconds; `account_token_position` counts from 1 and points at a `*`.
    """

    subject: str
    kind: ShareKind
    name: str = ""
    token_required: bool = False
    revocations: Mapping[str, int] = field(default_factory=dict)
    response_type: str = ""
    response_threshold_ns: int = 0
    latency: ServiceLatency | None = None
    account_token_position: int = 0
    advertise: bool = False
    allow_trace: bool = False
    description: str = ""
    info_url: str = ""

    def __post_init__(self) -> None:
        normalise(self, revocations=dict(sorted(self.revocations.items())))

    def to_json(self) -> dict[str, Any]:
        """One entry of `exports`, in Go's order; raises `InvalidClaims`."""
        return present(
            {
                "name": self.name,
                "subject": self.subject,
                "type": self.kind,
                "token_req": self.token_required,
                "revocations": self.revocations,
                "response_type": self.response_type,
                "response_threshold": self.response_threshold_ns,
                "service_latency": self.latency.to_json() if self.latency else None,
                "account_token_position": self.account_token_position,
                "advertise": self.advertise,
                "allow_trace": self.allow_trace,
                "description": self.description,
                "info_url": self.info_url,
            }
        )

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Export:
        """Reads one entry of `exports`; raises `InvalidClaims`."""
        latency = record(body, "service_latency")
        return cls(
            subject=text(body, "subject"),
            kind=share_kind(body, "type"),
            name=text(body, "name"),
            token_required=flag(body, "token_req"),
            revocations=times_by_key(body, "revocations"),
            response_type=text(body, "response_type"),
            response_threshold_ns=number(body, "response_threshold"),
            latency=ServiceLatency.from_json(latency) if latency else None,
            account_token_position=number(body, "account_token_position"),
            advertise=flag(body, "advertise"),
            allow_trace=flag(body, "allow_trace"),
            description=text(body, "description"),
            info_url=text(body, "info_url"),
        )


def share_kind(body: Mapping[str, Any], name: str) -> ShareKind:
    """The kind in field `name`; raises `InvalidClaims` for a word Go would not decode."""
    found = text(body, name)
    if found not in tuple(ShareKind):
        raise InvalidClaims(f"{name} must be stream or service")
    return ShareKind(found)
