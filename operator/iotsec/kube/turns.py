"""Objects whose work can wait: each asks for its turn once, and is queued again when that has come."""

import asyncio
from functools import partial

from iotsec.kube.keys import Key
from iotsec.kube.pacing import Pacer
from iotsec.kube.queue import WorkQueue


class Turns:
    """Who waits for a turn, and whose has come; no worker is held up meanwhile."""

    def __init__(self, pacer: Pacer, queue: WorkQueue[Key]) -> None:
        self._pacer = pacer
        self._queue = queue
        self._waiting: dict[Key, tuple[float, asyncio.Future[None]]] = {}
        """The deadline each waits with, and what is done when its turn has come."""
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
                self._pacer.leave(before[1])
            go = self._pacer.ask(deadline, writes)
            self._waiting[key] = deadline, go
            go.add_done_callback(partial(self._has_come, key))
        return False

    def forget(self, key: Key) -> None:
        """Take note that a key needs no turn any more."""
        self._come.discard(key)
        if waiting := self._waiting.pop(key, None):
            self._pacer.leave(waiting[1])

    def close(self) -> None:
        """Let nobody wait any more."""
        for key in tuple(self._waiting):
            self.forget(key)

    def _has_come(self, key: Key, go: asyncio.Future[None]) -> None:
        _, waiting = self._waiting.get(key, (0.0, None))
        if waiting is go:  # else nobody needs this turn any more
            del self._waiting[key]
            self._come.add(key)
            self._queue.add(key)
