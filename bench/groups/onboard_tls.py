"""How fast Devices become Ready that get a client certificate too, against a program that makes the same API writes."""

from collections.abc import AsyncIterator

from bench.figures import Figure, at_least, at_most
from bench.onboarding import Comparison, compare, writes
from bench.site import Site

_DEVICES = 1000


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures; the server asks for certificates from its start."""
    devices = site.size(_DEVICES)
    backlog = Comparison("onboard_tls", "backlog")
    await compare(site, [backlog], devices, tls={"mode": "Mutual"})
    for figure in backlog.rates(devices, at_least(0.5)):
        yield figure
    yield writes([backlog], devices, at_most(4))
    yield backlog.cpu("cpu_ms_per_device", devices)
