"""How long nobody works when the replica that did is killed, or told to stop, with a thousand Devices there.

Counted is what a user would notice: from the end of one replica until a Device that was created just then is Ready.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack

from bench.arithmetic import percentile
from bench.device_watch import DeviceWatch
from bench.feeder import create
from bench.figures import Figure, at_most
from bench.site import Fleet, Site, bring_up_hub, progress
from testbed.nats_server import NatsServer
from testbed.operator import Operator, replica
from testbed.user import User

_DEVICES = 1000
_CRASHES = 6
_STOPS = 12

End = Callable[[Operator], None]


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures."""
    devices = site.size(_DEVICES)
    namespace = await site.namespace()
    pair = [replica(site.plane, site.directory, name, IOTSEC_LOG_LEVEL="INFO") for name in ("iotsec-a", "iotsec-b")]
    with NatsServer(site.directory / namespace) as server, ExitStack() as running:
        for one in reversed(pair):
            running.callback(one.stop)
        await asyncio.to_thread(pair[0].start)
        await asyncio.to_thread(pair[1].start, "stands by")
        await asyncio.to_thread(bring_up_hub, User(site.plane.api, namespace), server, {})
        async with DeviceWatch(site.session, namespace) as watch:
            fleet = Fleet(site, namespace, server, watch)
            await fleet.grow(devices)
            crashes = await _rounds(fleet, pair, "crash", Operator.kill, site.size(_CRASHES))
            stops = await _rounds(fleet, pair, "stop", _tell_to_stop, site.size(_STOPS))
    for name, seconds, goal in (("crash", crashes, 20), ("graceful", stops, 3)):
        p95, baseline = percentile(seconds, 95), {"p50": percentile(seconds, 50), "rounds": len(seconds)}
        yield Figure(f"handover.{name}_seconds", p95, "s", devices, at_most(goal), baseline)


async def _rounds(fleet: Fleet, pair: list[Operator], what: str, end: End, rounds: int) -> list[float]:
    """End the one that works, again and again; return how long it took each time. It then stands by for the next."""
    taken = []
    for number in range(rounds):
        progress(f"  {what} {number + 1} of {rounds} …")
        worked, stood_by = pair
        name = f"{what}-{number:03d}"
        began = time.time()
        end(worked)
        await create(fleet.site.session, fleet.namespace, name)
        taken.append(await fleet.watch.wait_ready([name]) - began)
        await asyncio.to_thread(worked.stop)
        await asyncio.to_thread(worked.start, "stands by")
        pair[:] = stood_by, worked
    return taken


def _tell_to_stop(operator: Operator) -> None:
    operator.running().signal(signal.SIGTERM)
