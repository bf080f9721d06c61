"""The pacer on the event loop that the operator runs on, which tells less of a timer than asyncio's own."""

import asyncio
import time

import uvloop

from iotsec.kube.pacing import Pacer


def test_turns_closer_together_than_the_loops_clock_can_tell_all_come() -> None:
    async def turns() -> list[None]:
        pacer = Pacer(5000)
        return await asyncio.gather(*(pacer.turn(time.time() + 3600 - number) for number in range(200)))

    assert len(uvloop.run(turns())) == 200
