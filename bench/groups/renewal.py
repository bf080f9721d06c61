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
from pathlib import Path
from typing import Any, Self

from bench.arithmetic import counts_within, percentile
from bench.audit import Write
from bench.bystander import admit, bystander
from bench.crowd import DEVICES, Crowd, new_crowd
from bench.figures import Figure, at_most
from bench.programs import Program
from bench.site import Site, progress
from iotsec.decide.names import USER_JWT_KEY, creds_secret
from iotsec.decide.rotation import margin
from iotsec.kube.resources import DEVICES as DEVICE
from iotsec.kube.resources import SECRETS
from iotsec.nats import jwt
from iotsec.settings import Settings

_WINDOW_SECONDS = 600.0
_AT_ONCE_SECONDS = 60.0
"""Before its deadline the operator lets nothing wait: a window is worth nothing to the budget unless it is longer."""
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
    def of(cls, site: Site) -> Self:
        """The shortest that leave time for the onboarding, then the baseline, then the window."""
        onboarding = site.size(DEVICES) / _SLOWEST_RATE + _SETTLING_SECONDS
        renewed_after = (onboarding + _baseline_seconds(site)) / (1 - _JITTER_SHARE)
        window = _AT_ONCE_SECONDS + (_WINDOW_SECONDS - _AT_ONCE_SECONDS) * site.scale
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
    bystander: Sequence[float]
    """Milliseconds."""


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures."""
    await site.close()
    crowd = await new_crowd(site, rotation=Lives.of(site).rotation())
    await site.usage().wait_quiet()
    await crowd.fleet.edit_hub({"rotation": {"jwt": {"duration": _AFTERWARDS}}})
    await site.usage().wait_quiet()
    due = await _due(crowd)
    kubeconfig = await admit(crowd.fleet)
    idle = await _idle(crowd, kubeconfig)
    first = min(one.renewal for one in due.values())
    if time.time() >= first:
        raise TimeoutError("the first renewal fell due before the machine was ready to measure: it is too slow")
    course = await _course(crowd, kubeconfig, due)
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
    yield Figure("renewal.bystander_idle_p99_ms", percentile(idle, 99), "ms", devices, baseline=_spread(idle))
    busy = course.bystander
    yield Figure("renewal.bystander_p99_ms", percentile(busy, 99), "ms", devices, baseline=_spread(busy))


async def _due(crowd: Crowd) -> dict[str, Due]:
    """When each of the crowd is to be renewed."""
    found = (await crowd.fleet.site.session.get(DEVICE.path(crowd.fleet.namespace)))["items"]
    return {item["metadata"]["name"]: Due.of(item["status"]) for item in found}


async def _idle(crowd: Crowd, kubeconfig: Path) -> list[float]:
    """What the bystander is used to, while the operator rests, in milliseconds."""
    seconds = _baseline_seconds(crowd.fleet.site)
    progress(f"  at rest for {seconds:g} s …")
    async with bystander(crowd.fleet, kubeconfig) as program:
        await asyncio.sleep(seconds)  # what is measured is this time going by
        return await _milliseconds(program)


async def _course(crowd: Crowd, kubeconfig: Path, due: Mapping[str, Due]) -> Course:
    """Watch from the first renewal that is due until the last that was made, or should have been."""
    wait = min(one.renewal for one in due.values()) - time.time()
    progress(f"  {len(due)} renewals fall due in {wait:.0f} s …")
    await asyncio.sleep(wait)
    audit = crowd.fleet.site.audit()
    async with bystander(crowd.fleet, kubeconfig) as program:
        within = max(one.expires for one in due.values()) - time.time()
        renewed = await crowd.fleet.watch.wait_renewed(crowd.names, within=within)
        return Course(renewed, audit.each_write(), await _milliseconds(program))


async def _late(crowd: Crowd, due: Mapping[str, Due], course: Course) -> set[str]:
    """Who was renewed after his deadline, or whose Secret holds no new JWT."""
    late = {name for name, one in due.items() if course.renewed.get(name, math.inf) > one.deadline}
    namespace = crowd.fleet.namespace
    for name in due.keys() - late:
        secret = await crowd.fleet.site.session.get(SECRETS.path(namespace, creds_secret(DEVICE.kind, name)))
        token = jwt.decode(b64decode(secret["data"][USER_JWT_KEY]).decode(), verify=False)
        if token.expires_at is None or token.expires_at <= due[name].expires:
            late.add(name)
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


def _baseline_seconds(site: Site) -> float:
    return max(_LEAST_SECONDS, _BASELINE_SECONDS * site.scale)


async def _milliseconds(program: Program) -> list[float]:
    milliseconds: list[float] = (await program.result())["milliseconds"]
    return milliseconds


def _spread(milliseconds: Sequence[float]) -> dict[str, float]:
    return {"requests": len(milliseconds), "p50": percentile(milliseconds, 50), "slowest": max(milliseconds)}


def _unix(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
