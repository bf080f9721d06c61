"""A work queue with client-go's semantics: one worker a key, no key twice, back-off by key, and add-after.

Its one heap of due times is also the rotation clock: a renewal in three weeks is an ``add_after``.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K")

_BACKOFF_FIRST = 0.1
_BACKOFF_MAX = 60.0
_BACKOFF_STEPS = 10  # by then the longest wait is reached
_WORTH_IT = 0.01  # of a wait: a due time earlier by less is no news, and would only fill the heap


class WorkQueue(Generic[K]):
    """Keys to work on. All methods belong to one event loop; times are its clock's, in seconds."""

    def __init__(self, lane: Callable[[K], int] = lambda _: 0, *, lanes: int = 1) -> None:
        """Prepare; ``lane`` tells how urgent a key is when it is queued: 0 goes first, ``lanes`` - 1 last."""
        self._lane = lane
        self._ready: tuple[deque[K], ...] = tuple(deque() for _ in range(lanes))
        self._queued: set[K] = set()
        self._working: dict[K, float] = {}
        """Since when each is worked on."""
        self._dirty: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._wake = asyncio.Event()
        self._available = asyncio.Semaphore(0)
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, key: K) -> None:
        """Queue a key; once is enough, also while it waits; a key being worked on is worked on again afterwards."""
        if self._closed:
            return
        if key in self._working:
            self._dirty.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready[self._lane(key)].append(key)
            self._available.release()

    def add_after(self, key: K, seconds: float) -> None:
        """Queue a key later; of several times for one key the earliest counts."""
        wait = max(0.0, seconds)
        due = asyncio.get_running_loop().time() + wait
        if key in self._due and self._due[key] - due <= _WORTH_IT * wait:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))
        if self._heap[0][0] == due:
            self._wake.set()

    def add_failed(self, key: K, *, at_least: float = 0.0) -> float:
        """Queue a key again after its back-off, which doubles with each failure; return the wait in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = max(at_least, min(_BACKOFF_MAX, _BACKOFF_FIRST * 2.0 ** min(failures, _BACKOFF_STEPS)))
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Work on the key went well: its next failure starts from the shortest wait."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for a key and take it; call :meth:`done` when the work is over."""
        await self._available.acquire()
        key = next(lane for lane in self._ready if lane).popleft()
        self._queued.discard(key)
        self._working[key] = asyncio.get_running_loop().time()
        self._idle.clear()
        return key

    def done(self, key: K) -> None:
        """Give the key back."""
        self._working.pop(key, None)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)
        if not self._working:
            self._idle.set()

    def longest(self) -> float:
        """Return for how many seconds the key has been worked on that was taken first; 0 where none is."""
        if not self._working:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._working.values())

    async def drain(self, within: float) -> bool:
        """Give out no more keys; tell whether all that were given out came back within so many seconds."""
        self._closed = True
        for lane in self._ready:
            lane.clear()
        self._available = asyncio.Semaphore(0)  # who waits goes on waiting
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        return self._idle.is_set()

    def __len__(self) -> int:
        return sum(map(len, self._ready))

    async def run_clock(self) -> None:
        """Move keys that fall due into the queue, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            while self._heap and self._heap[0][0] <= loop.time():
                due, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            wait = self._heap[0][0] - loop.time() if self._heap else None
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue
