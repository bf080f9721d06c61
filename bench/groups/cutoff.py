"""How long a deleted device stays connected, with a thousand Devices there."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.arithmetic import percentile
from bench.figures import Figure, at_most
from bench.session import in_flight
from bench.site import Fleet, Site, progress
from iotsec.kube.resources import DEVICES
from testbed.clients import Connected, connect_as

_DEVICES = 1000
_CONNECTED = 100


@dataclass(frozen=True, slots=True)
class Online:
    """A device that is connected."""

    name: str
    connection: Connected


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures: from the DELETE request until the server closed the device's connection."""
    devices, connected = site.size(_DEVICES), site.size(_CONNECTED)
    async with site.fleet() as fleet:
        everybody = await fleet.grow(devices + 2 * connected)
        await site.usage().wait_quiet()
        single, burst = everybody[devices : devices + connected], everybody[devices + connected :]
        progress("  one at a time …")
        one_by_one = await _cut_off(fleet, single, _one_at_a_time)
        progress("  all at once …")
        at_once = await _cut_off(fleet, burst, _all_at_once)
    yield Figure("cutoff.p50_ms", percentile(one_by_one, 50), "ms", devices)
    yield Figure("cutoff.p99_ms", percentile(one_by_one, 99), "ms", devices, at_most(500))
    yield Figure("cutoff.burst_p99_ms", percentile(at_once, 99), "ms", devices)


async def _cut_off(
    fleet: Fleet, names: Sequence[str], delete: Callable[[Fleet, Sequence[Online]], Awaitable[list[float]]]
) -> list[float]:
    """Connect these devices and delete them; return how long each was still connected, in milliseconds."""
    async with AsyncExitStack() as connections:
        online: list[Online] = []

        async def connect(name: str) -> None:
            creds = await asyncio.to_thread(fleet.user.creds, name)
            context = connect_as(fleet.server.url, creds, inbox_prefix=f"_INBOX_{name}")
            online.append(Online(name, await connections.enter_async_context(context)))

        await in_flight(names, connect)
        return await delete(fleet, online)


async def _one_at_a_time(fleet: Fleet, online: Sequence[Online]) -> list[float]:
    times = []
    for device in online:
        times.append(await _delete(fleet, device))
        # No pause: where pushes are held back to be few, that is part of the time.
        await fleet.watch.wait_gone([device.name])
    return times


async def _all_at_once(fleet: Fleet, online: Sequence[Online]) -> list[float]:
    times: list[float] = []

    async def delete(device: Online) -> None:
        times.append(await _delete(fleet, device))

    await in_flight(online, delete, limit=len(online))
    return times


async def _delete(fleet: Fleet, device: Online) -> float:
    before = time.monotonic()
    await fleet.site.session.send("DELETE", DEVICES.path(fleet.namespace, device.name))
    return (await device.connection.wait_closed() - before) * 1000
