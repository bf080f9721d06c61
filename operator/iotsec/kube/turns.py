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
        self._waiting: dict[Key, tuple[float, asyncio.Task[None]]] = {}
        """The deadline each waits with."""
        self._come: set[Key] = set()

    def take(self, key: Key, deadline: float, writes: int) -> bool:
        """Tell whether the turn of a key has come, which is used up by that; else see that it does.

        ``deadline`` in unix seconds; ``writes`` is how many API writes the work makes. Who waits already and is in
        more of a hurry now waits by the earlier deadline.
        """
        if key in self._come:
            self._come.discard(key)
            return True
        before = self._waiting.get(key)
        if before is None or deadline < before[0]:
            if before is not None:
                before[1].cancel()
            task = asyncio.create_task(self._wait(key, deadline, writes), name=f"turn of {key}")
            self._waiting[key] = deadline, task
        return False

    def forget(self, key: Key) -> None:
        """Take note that a key needs no turn any more."""
        self._come.discard(key)
        if waiting := self._waiting.pop(key, None):
            waiting[1].cancel()

    def close(self) -> None:
        """Let nobody wait any more."""
        for _, task in self._waiting.values():
            task.cancel()
        self._waiting.clear()

    async def _wait(self, key: Key, deadline: float, writes: int) -> None:
        try:
            await self._pacer.turn(deadline, writes)
            self._come.add(key)
        finally:
            _, task = self._waiting.get(key, (0.0, None))
            if task is asyncio.current_task():  # else nobody needs this turn any more
                del self._waiting[key]
                self._queue.add(key)  # whatever became of the wait: it asks again where it must
