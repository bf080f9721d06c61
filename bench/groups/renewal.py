"""5,000 renewals that fall due together and must be over ten minutes later: in time, within the budget, felt by nobody.

The first JWTs of a new crowd live so shortly that their renewals fall due soon after the last Device is Ready; before
that, the Hub is told of the life that the JWTs after these have, so that each is renewed once.
"""

import asyncio
import math
import time
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from bench.arithmetic import counts_within, percentile
from bench.audit import Write
from bench.bystander import bystander
from bench.crowd import SIZE, Crowd, new_crowd
from bench.figures import Figure, at_most
from bench.session import in_flight
from bench.site import Site, progress
from iotsec.decide.names import USER_JWT_KEY, creds_secret
from iotsec.decide.rotation import margin
from iotsec.kube.resources import DEVICES, SECRETS
from iotsec.nats import jwt
from iotsec.settings import Settings

_WINDOW_SECONDS = 600.0
_AT_ONCE_SECONDS = 60.0
"""For so long before a deadline the operator lets nothing wait: a shorter window would leave nothing to be paced."""
_BASELINE_SECONDS = 20.0
_LEAST_SECONDS = 2.0
_SLOWEST_RATE = 25.0
"""Devices that become Ready in a second, at least: on a slower machine the first would be renewed before the last."""
_SETTLING_SECONDS = 10.0
_JITTER_SHARE = 0.1
_MARGIN_SHARE = 0.05
_SECOND = 1.0
_AFTERWARDS = "720h"


@dataclass(frozen=True, slots=True)
class Lives:
    """The life of the first JWTs, in seconds; a renewal falls due up to a tenth earlier than `renewed_after`."""

    duration: int
    renewed_after: int

    @classmethod
    def of(cls, *, devices: int, scale: float) -> Self:
        """The shortest that leave time for the onboarding, then the baseline, then the window, which is scaled."""
        onboarding = devices / _SLOWEST_RATE + _SETTLING_SECONDS
        renewed_after = (onboarding + _baseline_seconds(scale)) / (1 - _JITTER_SHARE)
        window = _AT_ONCE_SECONDS + (_WINDOW_SECONDS - _AT_ONCE_SECONDS) * scale
        return cls(math.ceil((renewed_after + window) / (1 - _MARGIN_SHARE)), math.ceil(renewed_after))

    def rotation(self) -> dict[str, Any]:
        """As a Hub's spec has it."""
        return {"jwt": {"duration": f"{self.duration}s", "renewBefore": f"{self.duration - self.renewed_after}s"}}


@dataclass(frozen=True, slots=True)
class Due:
    """One Device's first JWT, in unix seconds."""

    renewal: float
    expires: float
    deadline: float
    """From here on the operator lets its renewal wait for nothing."""

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Self:
        """As the Device's status tells."""
        issued, renewal, expires = (_unix(status[field]) for field in ("issuedAt", "renewalTime", "expiresAt"))
        return cls(renewal, expires, max(renewal, expires - margin(round(expires - issued))))


@dataclass(frozen=True, slots=True)
class Course:
    """How all the renewals went."""

    renewed: Mapping[str, float]
    """When each was seen in its Device's status, in unix seconds."""
    writes: Sequence[Write]
    idle: Sequence[float]
    """What the bystander was used to before, in milliseconds."""
    busy: Sequence[float]
    """How long it waited for each answer from the first renewal that was due until the last was made."""


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures."""
    await site.close()
    lives = Lives.of(devices=site.size(SIZE), scale=site.scale)
    crowd = await new_crowd(site, rotation=lives.rotation())
    await site.usage().wait_quiet()
    await crowd.fleet.edit_hub({"rotation": {"jwt": {"duration": _AFTERWARDS}}})
    await site.usage().wait_quiet()
    due = await _due(crowd)
    first = min(one.renewal for one in due.values())
    course = await _course(crowd, due, first)
    late = await _late(crowd, due, course)
    devices = len(due)
    times = {
        "due_within_s": max(one.renewal for one in due.values()) - first,
        "renewed_within_s": max(course.renewed.values(), default=first) - first,
        "first_deadline_after_s": min(one.deadline for one in due.values()) - first,
        "last_deadline_after_s": max(one.deadline for one in due.values()) - first,
    }
    yield Figure("renewal.late", len(late), "JWTs", devices, at_most(0), times)
    for figure in _paced(course.writes, devices):
        yield figure
    idle, busy = course.idle, course.busy
    yield Figure("renewal.bystander_idle_p99_ms", percentile(idle, 99), "ms", devices, baseline=_spread(idle))
    yield Figure("renewal.bystander_p99_ms", percentile(busy, 99), "ms", devices, baseline=_spread(busy))


async def _due(crowd: Crowd) -> dict[str, Due]:
    """When each of the crowd is to be renewed."""
    found = (await crowd.fleet.site.session.get(DEVICES.path(crowd.fleet.namespace)))["items"]
    return {item["metadata"]["name"]: Due.of(item["status"]) for item in found}


async def _course(crowd: Crowd, due: Mapping[str, Due], first: float) -> Course:
    """Watch from before the `first` renewal is due until the last was made, or should have been."""
    site, seconds = crowd.fleet.site, _baseline_seconds(crowd.fleet.site.scale)
    async with bystander(crowd.fleet) as somebody:
        wait = first - time.time()
        if wait < seconds:
            raise TimeoutError("the first renewals fall due before there was time to measure: the machine is too slow")
        progress(f"  {len(due)} renewals fall due in {wait:.0f} s …")
        audit = site.audit()
        await asyncio.sleep(wait)
        within = max(one.expires for one in due.values()) - time.time()
        renewed = await crowd.fleet.watch.wait_renewed(crowd.names, within=within)
        end, answers = time.time(), await somebody.answers()
    await site.usage().wait_quiet()  # events are told later, and are writes too
    idle = [answer.milliseconds for answer in answers if first - seconds <= answer.asked_at < first]
    busy = [answer.milliseconds for answer in answers if first <= answer.asked_at < end]
    return Course(renewed, audit.each_write(), idle, busy)


async def _late(crowd: Crowd, due: Mapping[str, Due], course: Course) -> set[str]:
    """Return who was renewed after the deadline, or whose Secret holds no new JWT."""
    late = {name for name, one in due.items() if course.renewed.get(name, math.inf) > one.deadline}
    fleet = crowd.fleet

    async def look(name: str) -> None:
        secret = await fleet.site.session.get(SECRETS.path(fleet.namespace, creds_secret(DEVICES.kind, name)))
        token = jwt.decode(b64decode(secret["data"][USER_JWT_KEY]).decode(), verify=False)
        if token.expires_at is None or token.expires_at <= due[name].expires:
            late.add(name)

    await in_flight(due, look)
    return late


def _paced(writes: Sequence[Write], devices: int) -> Iterator[Figure]:
    """All windows of a second that begin with a write, as the API server's clock saw them."""
    budget = Settings().writes_per_second
    counts = counts_within([write.received_at for write in writes], window=_SECOND)
    over = [count for count in counts if count > budget]
    kinds = Counter(write.what for write in writes)
    baseline = {"budget": budget, "windows": len(counts)}
    yield Figure("renewal.over_budget", len(over), "windows", devices, at_most(0), baseline)
    yield Figure("renewal.max_writes_per_second", max(counts, default=0), "writes/s", devices, at_most(budget), kinds)


def _baseline_seconds(scale: float) -> float:
    return max(_LEAST_SECONDS, _BASELINE_SECONDS * scale)


def _spread(milliseconds: Sequence[float]) -> dict[str, float]:
    return {"requests": len(milliseconds), "p50": percentile(milliseconds, 50), "slowest": max(milliseconds)}


def _unix(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
