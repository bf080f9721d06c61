"""How long it takes to replace the CA of 1,000 Devices, and whether one of them is refused meanwhile."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.feeder import HUB
from bench.figures import Figure, at_least, at_most
from bench.handshaking import Met, handshaking
from bench.session import MERGE
from bench.site import Fleet, Site, progress
from iotsec.decide.names import ROTATE_CA
from iotsec.kube.resources import TLS_POLICIES

_DEVICES = 1000
_HANDSHAKES = 10_000
_DISTRIBUTE_SECONDS = 10
_LATE_SECONDS = 5.0
"""Within what the policy gives them, and late enough that nothing may be used the moment it is written."""
_RATE = 150.0
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 120.0
_SLOWEST_RATE = 2.0
"""Devices a second."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a rotation went."""

    seconds: float
    """From the annotation that asks for it until nothing of the former CA is left."""
    phases: Mapping[str, float]
    """How long each phase of it was seen, in seconds."""


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures."""
    devices = site.size(_DEVICES)
    policy = {"mode": "Mutual", "caRotation": {"distributeFor": f"{_DISTRIBUTE_SECONDS}s"}}
    async with site.fleet(tls=policy) as fleet:
        await fleet.grow(devices)
        await site.usage().wait_quiet()
        progress("  everybody shakes hands …")
        async with handshaking(fleet, rate=_RATE, late=_LATE_SECONDS) as crowd:
            audit = site.audit()
            cpu = site.usage().cpu_seconds()
            rotation = await _rotate(fleet, within=_PATIENCE_SECONDS + devices / _SLOWEST_RATE)
            await site.usage().wait_quiet()
            cpu = site.usage().cpu_seconds() - cpu
            writes = audit.writes()
            met = await crowd.met()
    spent = {**rotation.phases, "operator_cpu_s": cpu}
    yield Figure("ca_rotation.seconds", rotation.seconds, "s", devices, baseline=spent)
    yield Figure("ca_rotation.writes", writes.total(), "writes", devices, baseline=writes)
    for figure in _handshakes(met, devices):
        yield figure


def _handshakes(met: Met, devices: int) -> list[Figure]:
    refused = Counter(met.refused)
    seen = {"trust_bundles": met.bundles, "server_certificates": met.servers}
    return [
        Figure("ca_rotation.refused", refused.total(), "handshakes", devices, at_most(0), dict(refused) or None),
        Figure(
            "ca_rotation.handshakes", met.made + refused.total(), "handshakes", devices, at_least(_HANDSHAKES), seen
        ),
    ]


async def _rotate(fleet: Fleet, *, within: float) -> Rotation:
    """Ask for another CA, and wait until it is the only one."""
    session, path = fleet.site.session, TLS_POLICIES.path(fleet.namespace, HUB)
    former = _authorities(await session.get(path))
    began = time.monotonic()
    await session.send("PATCH", path, {"metadata": {"annotations": {ROTATE_CA: "bench"}}}, content_type=MERGE)
    phase, since, phases = "", began, dict[str, float]()
    async with asyncio.timeout(within):
        while True:
            policy = await session.get(path)
            found, now = _phase(policy), time.monotonic()
            if found != phase:
                progress(f"  {found or 'over'} …")
                if phase:
                    phases[f"{phase.lower()}_s"] = now - since
                phase, since = found, now
            if not phase and not former & _authorities(policy):
                return Rotation(now - began, phases)
            await asyncio.sleep(_POLL_SECONDS)


def _phase(policy: Mapping[str, Any]) -> str:
    return str(policy["status"].get("rotation", {}).get("phase", ""))


def _authorities(policy: Mapping[str, Any]) -> set[str]:
    return {one["keyId"] for one in policy["status"]["authorities"]}
