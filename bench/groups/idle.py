"""What an operator costs that has nothing to do, with 5,000 Devices there and their Hub connected."""

import asyncio
from collections.abc import AsyncIterator

from bench.crowd import some_crowd
from bench.figures import Figure, at_most
from bench.site import Site, progress

_SECONDS = 60.0
_LEAST_SECONDS = 1.0


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figure: CPU time of the operator's process as a share of one core."""
    crowd = await some_crowd(site)
    seconds = max(_LEAST_SECONDS, _SECONDS * site.scale)
    progress(f"  at rest for {seconds:g} s …")
    audit, cpu = site.audit(), site.usage().cpu_seconds()
    await asyncio.sleep(seconds)  # what is measured is this time going by
    cpu = site.usage().cpu_seconds() - cpu
    baseline = {"seconds": seconds, "cpu_seconds": cpu, "writes": audit.writes().total()}
    yield Figure("idle.cpu_percent_5000", cpu / seconds * 100, "%", len(crowd.names), at_most(1), baseline)
