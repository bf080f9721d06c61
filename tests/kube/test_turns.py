"""Work that can wait gets its turn once, in time for the earliest deadline it asked with."""

import asyncio
import time

from iotsec.kube.keys import Key
from iotsec.kube.pacing import Pacer
from iotsec.kube.queue import WorkQueue
from iotsec.kube.turns import Turns

KEY = Key("Device", "iot", "weather-01")
DAY = 86_400


def busy() -> tuple[Turns, WorkQueue[Key]]:
    """Turns of a budget that is spent for a long while."""
    queue: WorkQueue[Key] = WorkQueue()
    pacer = Pacer(1.25)
    pacer.spent(1000)
    return Turns(pacer, queue), queue


async def test_who_waits_and_comes_into_a_hurry_waits_no_longer() -> None:
    turns, queue = busy()
    assert not turns.take(KEY, time.time() + DAY, 2)
    await asyncio.sleep(0)

    assert not turns.take(KEY, time.time() + 1, 2)

    async with asyncio.timeout(0.5):
        assert await queue.get() == KEY
    assert turns.take(KEY, time.time() + 1, 2)
    turns.close()


async def test_asking_again_with_a_later_deadline_changes_nothing() -> None:
    turns, queue = busy()
    turns.take(KEY, time.time() + 1, 2)
    turns.take(KEY, time.time() + DAY, 2)

    async with asyncio.timeout(0.5):
        assert await queue.get() == KEY
    turns.close()


async def test_a_turn_that_nobody_needs_any_more_is_not_saved_up() -> None:
    turns, queue = busy()
    turns.take(KEY, time.time() + 1, 2)
    async with asyncio.timeout(0.5):
        await queue.get()

    turns.forget(KEY)

    assert not turns.take(KEY, time.time() + DAY, 2)
    turns.close()
