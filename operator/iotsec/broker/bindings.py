"""Which certificates users present to a Hub's servers: read every so often, as no server tells it unasked."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from iotsec.broker.connection import SystemConnection
from iotsec.broker.connection_list import pages
from iotsec.decide.advisories import Issuers, User
from iotsec.decide.bindings import Shown, read_shown

BEAT_SECONDS = 60.0
_SHARE = 0.05  # of the time at most: to read a hundred thousand connections takes seconds, and a server's time as well


class Bindings:
    """Who presents what, at all servers of a Hub."""

    def __init__(
        self, connection: SystemConnection, *, issuers: Callable[[], Issuers], beat_seconds: float = BEAT_SECONDS
    ) -> None:
        """Prepare; ``beat_seconds`` lie at least between two readings that succeed."""
        self._connection = connection
        self._issuers = issuers
        self._beat_seconds = beat_seconds
        self._due = float("-inf")

    async def look(self, servers: AbstractSet[str]) -> tuple[Shown, ...] | None:
        """Return each certificate that each user presents to these servers, once; ``None``: it is too soon.

        ``servers``: the ids of those there are.

        Raises:
            UnavailableError: a server could not be asked; it is read anew at the next call.

        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began < self._due:
            return None
        shown: dict[tuple[User, str], Shown] = {}
        for server in sorted(servers):
            for account in sorted(self._issuers().ledgers):
                await self._read(server, account, shown)
        now = loop.time()
        self._due = now + max(self._beat_seconds, (now - began) / _SHARE)
        return tuple(shown.values())

    async def _read(self, server: str, account: str, shown: dict[tuple[User, str], Shown]) -> None:
        async for page in pages(
            self._connection, server, account, read=lambda body: read_shown(body, account, self._issuers())
        ):
            for one in page.shown:
                known = shown.get((one.user, one.digest))
                if known is None or known.at < one.at:
                    shown[one.user, one.digest] = one
