"""How fast Devices become Ready, against a program that makes the same API writes and nothing else."""

from collections.abc import AsyncIterator

from bench.figures import Figure, at_least, at_most
from bench.onboarding import Comparison, compare, writes
from bench.site import Site

_DEVICES = 1000


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures."""
    devices = site.size(_DEVICES)
    backlog, stream = both = Comparison("onboard", "backlog"), Comparison("onboard", "stream")
    await compare(site, both, devices)
    for comparison in both:
        for figure in comparison.rates(devices, at_least(0.6)):
            yield figure
    yield writes(both, devices, at_most(2))
    yield backlog.cpu("cpu_ms_per_device", devices, at_most(3.5))
    yield stream.cpu("stream.cpu_ms_per_device", devices, at_most(3.5))
