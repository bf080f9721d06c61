"""How long one Device takes to become Ready, with a thousand others there."""

import time
from collections.abc import AsyncIterator

from bench.arithmetic import percentile
from bench.feeder import create
from bench.figures import Figure, at_most
from bench.site import Site

_OTHERS = 1000
_TRIED = 60


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures: from before the POST until a watch shows Ready, one after the other."""
    others = site.size(_OTHERS)
    milliseconds = []
    async with site.fleet() as fleet:
        await fleet.grow(others)
        await site.usage().wait_quiet()
        for number in range(site.size(_TRIED)):
            name = f"single-{number:03d}"
            before = time.time()
            await create(site.session, fleet.namespace, name)
            milliseconds.append((await fleet.watch.wait_ready([name]) - before) * 1000)
    for percent, goal in ((50, 40), (95, 100)):
        yield Figure(f"ready.p{percent}_ms", percentile(milliseconds, percent), "ms", others, at_most(goal))
