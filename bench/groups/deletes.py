"""What the end of a thousand Devices at once takes: time, and pushes of the account's JWT."""

import time
from collections.abc import AsyncIterator

from bench.figures import Figure
from bench.session import in_flight
from bench.site import Site, progress
from iotsec.kube.resources import DEVICES

_DEVICES = 1000


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures: from the first DELETE request until a watch showed the last Device gone."""
    devices = site.size(_DEVICES)
    async with site.fleet() as fleet:
        everybody = await fleet.grow(devices)
        await site.usage().wait_quiet()
        progress("  and are deleted …")
        log, audit, cpu = site.log(), site.audit(), site.usage().cpu_seconds()
        before = time.time()
        await in_flight(everybody, lambda name: site.session.send("DELETE", DEVICES.path(fleet.namespace, name)))
        sent = time.time()
        gone = await fleet.watch.wait_gone(everybody)
        await site.usage().wait_quiet()
        hub = f"Hub {fleet.namespace}/"
        pushes = sum(line["hub"].startswith(hub) for line in log.lines("account pushed"))
        per_device = {what: count / devices for what, count in sorted(audit.writes().items())}
        cpu = site.usage().cpu_seconds() - cpu
    yield Figure("pushes.per_1000_deletes", pushes * 1000 / devices, "pushes", devices)
    yield Figure(
        "delete.seconds_1000", (gone - before) * 1000 / devices, "s", devices, baseline={"asked_s": sent - before}
    )
    yield Figure("delete.writes_per_device", sum(per_device.values()), "writes/device", devices, baseline=per_device)
    yield Figure("delete.cpu_ms_per_device", cpu / devices * 1000, "ms/device", devices)
