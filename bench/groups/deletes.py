"""What the end of a thousand Devices at once takes: time, writes, pushes of the account's JWT.

A few of them, spread evenly, are connected: the last one's access must not wait until the first one's Secret is gone.
"""

import time
from collections.abc import AsyncIterator

from bench.arithmetic import percentile
from bench.figures import Figure
from bench.online import online
from bench.session import in_flight
from bench.site import Site, progress
from iotsec.kube.resources import DEVICES

_DEVICES = 1000
_CONNECTED = 50


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures: from the first DELETE request until a watch showed the last Device gone."""
    devices = site.size(_DEVICES)
    async with site.fleet() as fleet:
        everybody = await fleet.grow(devices)
        step = max(1, devices // site.size(_CONNECTED))
        async with online(fleet, everybody[::step]) as some:
            connected = {device.name: device for device in some}

            async def delete(name: str) -> None:
                if name in connected:
                    await connected[name].delete()
                else:
                    await site.session.send("DELETE", DEVICES.path(fleet.namespace, name))

            await site.usage().wait_quiet()
            progress("  and are deleted …")
            log, audit, cpu = site.log(), site.audit(), site.usage().cpu_seconds()
            before = time.time()
            await in_flight(everybody, delete)
            milliseconds = [await device.cut_off_ms() for device in some]
            gone = await fleet.watch.wait_gone(everybody)
            await site.usage().wait_quiet()
            cpu = site.usage().cpu_seconds() - cpu
        hub = f"Hub {fleet.namespace}/"
        pushes = sum(line["hub"].startswith(hub) for line in log.lines("account pushed"))
        writes = {what: count / devices for what, count in sorted(audit.writes().items())}
    yield Figure("pushes.per_1000_deletes", pushes * 1000 / devices, "pushes", devices)
    yield Figure("delete.seconds_1000", (gone - before) * 1000 / devices, "s", devices)
    yield Figure("delete.cutoff_p50_ms", percentile(milliseconds, 50), "ms", devices)
    yield Figure("delete.cutoff_p99_ms", percentile(milliseconds, 99), "ms", devices)
    yield Figure("delete.writes_per_device", sum(writes.values()), "writes/device", devices, baseline=writes)
    yield Figure("delete.cpu_ms_per_device", cpu / devices * 1000, "ms/device", devices)
