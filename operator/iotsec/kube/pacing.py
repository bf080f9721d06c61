"""Work that can wait asks here for its turn, so that the API server is not flooded by what falls due together."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from iotsec.decide.pacing import Pacing


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

    def __init__(self, rate: float, *, now: Callable[[], float] = time.time) -> None:
        """Prepare for ``rate`` writes per second; ``now`` tells the unix time in which deadlines are given.

        Raises:
            ValueError: the rate is less than one write per second.

        """
        self._pacing: Pacing[asyncio.Future[None]] = Pacing(rate)
        self._now = now
        self._timer: asyncio.TimerHandle | None = None

    def wrote(self) -> None:
        """Count one write, unless it was counted when its turn came."""
        account = _paid.get(None)
        if account is not None and account.left:
            account.left -= 1
        else:
            self.spent()

    def spent(self, writes: int = 1) -> None:
        """Count writes that nobody asked for: they never wait, but what waits, waits for them too."""
        self._pacing.spent(asyncio.get_running_loop().time(), writes)

    async def turn(self, deadline: float, writes: int = 1) -> None:
        """Wait until work may go that makes so many writes; they are counted here, not to be told again.

        The earliest ``deadline`` (unix seconds) goes first. Returns in time for it, beyond the budget if need be.
        """
        loop = asyncio.get_running_loop()
        go: asyncio.Future[None] = loop.create_future()
        # Waiting is measured by the loop's clock, which does not jump when somebody sets the time.
        self._pacing.wait(go, deadline=loop.time() + deadline - self._now(), writes=writes)
        self._let_go()
        try:
            await go
        except asyncio.CancelledError:
            self._pacing.leave(go)
            self._let_go()
            raise

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        for go in self._pacing.go(loop.time()):
            if not go.done():
                go.set_result(None)
        at = self._pacing.next_go(loop.time())
        if self._timer is not None and (at is None or at < self._timer.when()):
            self._timer.cancel()
            self._timer = None
        if at is not None and self._timer is None:
            self._timer = loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._let_go()
