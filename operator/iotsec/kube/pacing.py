"""Work that can wait asks here for its turn, so that the API server is not flooded by what falls due together."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from iotsec.decide.pacing import Pacing

_GIVEN = 0.8  # of the budget goes to work that can wait: some is always left for what cannot
_HEADROOM = 1.1  # of that pace is sent in a second at most: turns come evenly, what was sent does not always arrive so


@dataclass(slots=True)
class _Paid:
    """Writes of this piece of work that were counted when its turn came."""

    left: int = 0


_paid: ContextVar[_Paid] = ContextVar("paid")


@contextmanager
def paid(writes: int) -> Iterator[None]:
    """Make as many writes as were asked for with the turn; they are not counted again."""
    token = _paid.set(_Paid(writes))
    try:
        yield
    finally:
        _paid.reset(token)


class Pacer:
    """A budget of API writes per second, shared by all that is told or asks; see :class:`~iotsec.decide.pacing.Pacing`.

    All methods belong to one event loop. No task of its own: one timer, while something waits.
    """

    def __init__(self, rate: float, *, given: float = _GIVEN, now: Callable[[], float] = time.time) -> None:
        """Prepare for ``rate`` writes per second, of which work that can wait is given a share.

        ``now`` tells the unix time in which deadlines are given.

        Raises:
            ValueError: the rate is less than one write per second.

        """
        self._pacing: Pacing[asyncio.Future[None]] = Pacing(rate * given)
        self._now = now
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._sent: deque[float] = deque()  # when, of the last second

    async def sending(self) -> None:
        """Take note of one write that is about to be sent.

        One that had to wait for its turn waits here too, for as long as a second is full: turns come one by one, but
        after a stall of the API server all that had theirs would be sent together.
        """
        loop = asyncio.get_running_loop()
        account = _paid.get(None)
        if account is not None and account.left:
            account.left -= 1
            await self._room()
        else:
            self.spent()
        self._sent_lately()
        self._sent.append(loop.time())

    def _sent_lately(self) -> int:
        """Return how many writes were sent in the last second."""
        now = asyncio.get_running_loop().time()
        while self._sent and self._sent[0] <= now - 1.0:
            self._sent.popleft()
        return len(self._sent)

    async def _room(self) -> None:
        """Wait until not too much was sent in the last second."""
        loop = asyncio.get_running_loop()
        while self._sent_lately() >= max(1, int(self._pacing.pace * _HEADROOM)):  # noqa: ASYNC110 - only time makes room
            await asyncio.sleep(self._sent[0] + 1.0 - loop.time())

    def spent(self, writes: int = 1) -> None:
        """Count writes that nobody asked for: they never wait, but what waits, waits for them too."""
        self._pacing.spent(asyncio.get_running_loop().time(), writes)

    async def turn(self, deadline: float, writes: int = 1) -> None:
        """Wait until work may go that makes so many writes; they are counted here, not to be told again.

        The earliest ``deadline`` (unix seconds) goes first. Returns in time for it, beyond the budget if need be.
        """
        go = self.ask(deadline, writes)
        try:
            await go
        except asyncio.CancelledError:
            self.leave(go)
            raise

    def ask(self, deadline: float, writes: int = 1) -> asyncio.Future[None]:
        """Return what is done when the turn has come that :meth:`turn` waits for: a task for each would weigh more."""
        loop = asyncio.get_running_loop()
        go: asyncio.Future[None] = loop.create_future()
        # Waiting is measured by the loop's clock, which does not jump when somebody sets the time.
        self._pacing.wait(go, deadline=loop.time() + deadline - self._now(), writes=writes)
        self._let_go()
        return go

    def leave(self, go: asyncio.Future[None]) -> None:
        """Forget somebody who asked and waits no more."""
        self._pacing.leave(go)
        self._let_go()

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        for go in self._pacing.go(loop.time()):
            if not go.done():
                go.set_result(None)
        at = self._pacing.next_go(loop.time())
        if self._timer is not None and (at is None or at < self._rings_at):
            self._timer.cancel()
            self._timer = None
        if at is not None and self._timer is None:
            # Kept here: uvloop's handle of what is due at once cannot tell when that is.
            self._timer, self._rings_at = loop.call_at(at, self._ring), at

    def _ring(self) -> None:
        self._timer = None
        self._let_go()
