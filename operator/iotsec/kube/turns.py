"""Objects whose work can wait: each asks for its turn once, and is queued again when that has come."""

import asyncio

from iotsec.kube.keys import Key
from iotsec.kube.pacing import Pacer
from iotsec.kube.queue import WorkQueue


class Turns:
    """Who waits for a turn, and whose has come; no worker is held up meanwhile."""

    def __init__(self, pacer: Pacer, queue: WorkQueue[Key]) -> None:
        self._pacer = pacer
        self._queue = queue
        self._waiting: dict[Key, asyncio.Task[None]] = {}
        self._come: set[Key] = set()

    def take(self, key: Key, deadline: float, writes: int) -> bool:
        """Tell whether the turn of a key has come, which is used up by that; else see that it does.

        ``deadline`` in unix seconds; ``writes`` is how many API writes the work makes.
        """
        if key in self._come:
            self._come.discard(key)
            return True
        if key not in self._waiting:
            self._waiting[key] = asyncio.create_task(self._wait(key, deadline, writes), name=f"turn of {key}")
        return False

    def forget(self, key: Key) -> None:
        """Take note that a key needs no turn any more."""
        self._come.discard(key)
        if task := self._waiting.pop(key, None):
            task.cancel()

    def close(self) -> None:
        """Let nobody wait any more."""
        for task in self._waiting.values():
            task.cancel()
        self._waiting.clear()

    async def _wait(self, key: Key, deadline: float, writes: int) -> None:
        try:
            await self._pacer.turn(deadline, writes)
            self._come.add(key)
        finally:
            self._waiting.pop(key, None)
            self._queue.add(key)  # whatever became of the wait: it asks again where it must
