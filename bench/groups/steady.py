"""What the operator does when there is nothing to do: at rest, and after a restart."""

import asyncio
from collections.abc import AsyncIterator

from bench.figures import Figure, at_most
from bench.site import Fleet, Site, progress

_DEVICES = 1000
_MORE = 1000
_IDLE_SECONDS = 60.0
_AFTER_RESTART_SECONDS = 5.0
_LEAST_SECONDS = 1.0


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures."""
    devices, more = site.size(_DEVICES), site.size(_MORE)
    async with site.fleet() as fleet:
        await fleet.grow(devices)
        yield await _idle(site, devices)
        await fleet.grow(more, first=devices)
        await site.usage().wait_quiet()
        for figure in await _restart(fleet, devices + more):
            yield figure


async def _idle(site: Site, devices: int) -> Figure:
    await site.usage().wait_quiet()
    seconds = max(_LEAST_SECONDS, _IDLE_SECONDS * site.scale)
    progress(f"  at rest for {seconds:g} s …")
    audit, cpu = site.audit(), site.usage().cpu_seconds()
    await asyncio.sleep(seconds)  # what is measured is this time going by
    writes = audit.writes()
    baseline = {"seconds": seconds, "cpu_seconds": site.usage().cpu_seconds() - cpu, **writes}
    return Figure("idle.writes", writes.total(), "writes", devices, at_most(0), baseline)


async def _restart(fleet: Fleet, devices: int) -> list[Figure]:
    """Steady is the process once it has rested for a second: 5 % of a core at most, seen in its CPU time."""
    site = fleet.site
    await site.stop_operator()
    audit, log = site.audit(), site.log()
    await site.start_operator()
    usage = site.usage()
    steady = await usage.wait_quiet()
    cpu = usage.cpu_seconds()
    await asyncio.sleep(
        max(_LEAST_SECONDS, _AFTER_RESTART_SECONDS * site.scale)
    )  # a late write would be a write as well
    writes = audit.writes()
    process = usage.started_at()
    baseline = {"started_s": log.started_at() - process, "cpu_seconds": cpu}
    return [
        Figure("restart.writes", writes.total(), "writes", devices, at_most(0), dict(writes) or None),
        Figure("restart.steady_s", steady - process, "s", devices, baseline=baseline),
    ]
