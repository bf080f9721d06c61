"""Who of several replicas works: decided by the record on a Lease, with the rules of client-go's `leaderelection`.

Replicas do not trust each other's clocks. Whoever waits takes the moment at which it saw the record change, by its own
clock, and a holder is gone once that was longer ago than the record says. Seconds here are of such a clock, which
never jumps; the times in the record are for people, and to tell one tenure from another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_RENEW_SHARE = 2 / 3
_RETRY_SHARE = 2 / 15
_RELEASED_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """How long is waited for whom; all else follows from the duration in client-go's proportions of 15, 10 and 2 s."""

    duration: int = 15
    """Seconds after which others may take a lease that is not renewed."""

    @property
    def renew_deadline(self) -> float:
        """Seconds after a renewal was sent for which its sender may work: fewer than others wait."""
        return self.duration * _RENEW_SHARE

    @property
    def retry(self) -> float:
        """Seconds from one renewal, or one attempt, to the next."""
        return self.duration * _RETRY_SHARE


@dataclass(frozen=True, slots=True)
class Tenure:
    """One time of holding a lease: no two have the same, also where two processes go by one name."""

    holder: str
    acquired: str
    transitions: int


@dataclass(frozen=True, slots=True)
class Record:
    """What a Lease says."""

    tenure: Tenure
    renewed: str
    duration: int
    """Seconds for which its holder may not be taken for gone."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A Lease as it was seen last."""

    record: Record
    version: str
    """The resourceVersion: who writes by an older one is refused."""
    since: float
    """When the record was first seen as it is."""


def read(lease: Mapping[str, Any]) -> Record:
    """Read a Lease as the API server gives it; what it does not say is as if nobody held it."""
    spec = lease.get("spec") or {}
    return Record(
        tenure=Tenure(
            spec.get("holderIdentity") or "", spec.get("acquireTime") or "", int(spec.get("leaseTransitions") or 0)
        ),
        renewed=spec.get("renewTime") or "",
        duration=int(spec.get("leaseDurationSeconds") or 0),
    )


def observe(before: Observed | None, lease: Mapping[str, Any], now: float) -> Observed:
    """Take in a Lease: what matters is when its record became another, not what times stand in it."""
    record, version = read(lease), lease["metadata"]["resourceVersion"]
    unchanged = before is not None and before.record == record
    return Observed(record, version, before.since if before is not None and unchanged else now)


def free_at(observed: Observed) -> float:
    """Return from when the lease may be taken: at once where nobody holds it."""
    held = observed.record.duration if observed.record.tenure.holder else 0
    return observed.since + held


def taken(before: Record | None, identity: str, terms: Terms, at: float) -> Record:
    """Return what the Lease says once ``identity`` has taken it, ``at`` unix seconds."""
    transitions = before.tenure.transitions + 1 if before is not None else 0
    return Record(Tenure(identity, _micro_time(at), transitions), _micro_time(at), terms.duration)


def renewed(before: Record, at: float) -> Record:
    """Return what the Lease says once its holder has renewed it, ``at`` unix seconds."""
    return Record(before.tenure, _micro_time(at), before.duration)


def released(before: Record, at: float) -> Record:
    """Return what the Lease says once its holder has given it up: nobody need wait."""
    return Record(Tenure("", _micro_time(at), before.tenure.transitions), _micro_time(at), _RELEASED_SECONDS)


def spec_of(record: Record) -> dict[str, Any]:
    """Return the ``spec`` of a Lease with this record."""
    return {
        "holderIdentity": record.tenure.holder,
        "acquireTime": record.tenure.acquired,
        "renewTime": record.renewed,
        "leaseTransitions": record.tenure.transitions,
        "leaseDurationSeconds": record.duration,
    }


def _micro_time(unix: float) -> str:
    """Write an instant as Kubernetes' MicroTime, e.g. ``2026-03-01T10:00:00.000000Z``."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
