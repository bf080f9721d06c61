"""How much memory the operator needs, and how much of it for each Device."""

from collections.abc import AsyncIterator

from bench.arithmetic import slope
from bench.figures import Figure
from bench.site import Fleet, Site

_FEW, _MANY = 1000, 5000


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures: resident memory of one process that has onboarded so many Devices."""
    few, many = site.size(_FEW), site.size(_MANY)
    async with site.fleet() as fleet:
        await fleet.grow(few)
        first = await _resident(fleet)
        yield Figure("rss.mib_1000", first, "MiB", few)
        await fleet.grow(many - few, first=few)
        second = await _resident(fleet)
        yield Figure("rss.mib_5000", second, "MiB", many)
        yield Figure("rss.kib_per_device", slope((few, first), (many, second)) * 1024, "KiB/device", many)


async def _resident(fleet: Fleet) -> float:
    await fleet.site.usage().wait_quiet()
    return fleet.site.usage().rss_mib()
