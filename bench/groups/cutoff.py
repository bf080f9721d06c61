"""How long a deleted device stays connected, with a thousand Devices there."""

from collections.abc import AsyncIterator

from bench.arithmetic import percentile
from bench.figures import Figure, at_most
from bench.online import Online, online
from bench.session import in_flight
from bench.site import Site, progress

_DEVICES = 1000
_CONNECTED = 100


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures: from the DELETE request until the server closed the device's connection."""
    devices, connected = site.size(_DEVICES), site.size(_CONNECTED)
    single: list[float] = []
    async with site.fleet() as fleet:
        everybody = await fleet.grow(devices + 2 * connected)
        await site.usage().wait_quiet()
        progress("  one at a time …")
        async with online(fleet, everybody[:connected]) as some:
            for device in some:
                await device.delete()
                single.append(await device.cut_off_ms())
                # No pause: where pushes are held back to be few, that is part of the time.
                await fleet.watch.wait_gone([device.name])
        progress("  all at once …")
        async with online(fleet, everybody[connected : 2 * connected]) as some:
            await in_flight(some, Online.delete, limit=connected)
            burst = [await device.cut_off_ms() for device in some]
    yield Figure("cutoff.p50_ms", percentile(single, 50), "ms", devices)
    yield Figure("cutoff.p99_ms", percentile(single, 99), "ms", devices, at_most(500))
    yield Figure("cutoff.burst_p99_ms", percentile(burst, 99), "ms", devices)
