"""How fast work that can wait is let go: within a budget of API writes per second, the earliest deadline first.

Times are seconds of any one clock. Writes that cannot wait are told, never held up, and count.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

_SECOND = 1.0
RESERVE_SECONDS = 60.0  # seconds before its deadline in which a piece of work waits no more: time for a few retries
_CATCH_UP = 0.05  # seconds by which work may follow sooner after it was let go late, as timers do
_SURVEY = 1.0  # seconds between looks at all that waits, to see whether the budget serves it in time
_SURVEYED = 10_000  # pieces in that time: a look at more is taken more seldom

P = TypeVar("P", bound=Hashable)


class Pacing(Generic[P]):
    """Pieces of work that wait, and the writes of the last second.

    In any second there are no more than ``rate`` writes, unless some cannot wait: those told with :meth:`spent`, and
    those of work that the budget would let go too late. Such work is let go as much faster as its deadlines need,
    evenly; only what is due within the reserve goes at once.
    """

    def __init__(self, rate: float, *, reserve: float = RESERVE_SECONDS) -> None:
        """Prepare for ``rate`` writes per second; ``reserve`` in seconds.

        Raises:
            ValueError: the rate is less than one write per second.

        """
        if rate < 1:
            raise ValueError(f"a budget of {rate} writes per second is too small: write 1 or more")
        self._rate = rate
        self._reserve = reserve
        self._made: deque[tuple[float, int]] = deque()  # (when, writes) of the last second
        self._writes = 0  # sum of the above
        self._free = float("-inf")  # when work may go that can wait, as far as work let go before is concerned
        self._pace = rate  # writes per second that all deadlines need
        self._hurried = float("-inf")  # minus the deadline up to which they need it
        self._survey = float("-inf")
        self._waiting: list[tuple[float, int]] = []  # (-deadline, -number), so that the most urgent one is the last
        self._pieces: dict[P, tuple[float, int]] = {}
        self._by_number: dict[int, tuple[P, int]] = {}
        self._number = 0

    @property
    def pace(self) -> float:
        """Writes per second at which work is let go: the budget, or what all deadlines need."""
        return self._pace

    def __len__(self) -> int:
        return len(self._waiting)

    def spent(self, now: float, writes: int = 1) -> None:
        """Count writes that did not wait."""
        self._made.append((now, writes))
        self._writes += writes

    def wait(self, piece: P, *, deadline: float, writes: int = 1) -> None:
        """Let a piece of work wait that makes so many writes; one with more than a second's budget takes a second.

        Raises:
            ValueError: the piece waits already.

        """
        if piece in self._pieces:
            raise ValueError("let a piece of work wait once only")
        self._number += 1
        place = (-deadline, -self._number)
        insort(self._waiting, place)
        self._pieces[piece] = place
        self._by_number[-self._number] = (piece, writes)

    def leave(self, piece: P) -> None:
        """Forget a piece of work that waits no more; nothing happens where it does not wait."""
        place = self._pieces.pop(piece, None)
        if place is not None:
            del self._waiting[bisect_left(self._waiting, place)]
            del self._by_number[place[1]]

    def go(self, now: float) -> list[P]:
        """Take what may go now, the earliest deadline first, and count its writes."""
        gone: list[P] = []
        while (at := self.next_go(now)) is not None and at <= now:
            piece, writes = self._by_number[self._waiting[-1][1]]
            self.leave(piece)
            self.spent(now, writes)
            self._free = (self._free if now - _CATCH_UP <= self._free <= now else now) + writes / self._pace
            gone.append(piece)
        return gone

    def next_go(self, now: float) -> float | None:
        """Return when the next piece may go, as it looks now; ``None`` where none waits."""
        if not self._waiting:
            self._survey = float("-inf")  # what comes next has other deadlines
            return None
        while self._made and self._made[0][0] <= now - _SECOND:
            self._writes -= self._made.popleft()[1]
        key, number = self._waiting[-1]
        if now >= self._survey + _SURVEY * max(1.0, len(self._waiting) / _SURVEYED) or key < self._hurried:
            self._survey = now
            self._pace, self._hurried = self._needed(now)
        return min(max(self._free, self._affordable(now, self._by_number[number][1])), max(now, -key - self._reserve))

    def _affordable(self, now: float, writes: int) -> float:
        """Return when the writes of the last second leave room for these."""
        excess = self._writes + min(writes, self._pace) - self._pace
        at = now
        for when, made in self._made:
            if excess <= 0:
                break
            at = when + _SECOND
            excess -= made
        return at

    def _needed(self, now: float) -> tuple[float, float]:
        """Return the writes per second that serve all in time, and minus the deadline up to which that is needed.

        The budget, and no deadline at all, where the budget is fast enough.
        """
        pace, hurried, ahead = self._rate, float("-inf"), 0
        for key, number in reversed(self._waiting):
            ahead += self._by_number[number][1]
            left = -key - self._reserve - now
            if left > 0 and ahead / left > pace:
                pace, hurried = ahead / left, key
        return pace, hurried
