"""Who is connected to a Hub's servers, and who was refused: told by them as it happens, and read where that has gaps.

Servers tell each thing once, to whoever listens then. So all connections are read when listening begins, at a server
that is new, after anything may have been missed, and every so often all the same. What is told while a page is on its
way is newer than the page.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import structlog

from iotsec.broker.connection import SystemConnection, UnavailableError
from iotsec.broker.connection_list import pages
from iotsec.decide.advisories import (
    SUBJECTS,
    Advisory,
    Connected,
    Connection,
    Denied,
    Disconnected,
    Issuers,
    User,
    is_advisory,
    is_refusal,
    read_advisory,
    read_listing,
)
from iotsec.decide.presence import Presence

log = structlog.get_logger()

_READ_AGAIN_SECONDS = 600.0
# Strangers decide how many logins are refused: reading their JWTs must not take all our time.
_READ_REFUSALS = 200
_HOSTS = 20
_STRANGERS_SECONDS = 60.0
# Two connections of ours hear everything while one takes over from the other, and not in the same order.
_LATE_SECONDS = 60.0


@dataclass(slots=True)
class _Reading:
    """What was told of one account at one server while its connections were being read."""

    came: set[int] = field(default_factory=set)
    went: set[int] = field(default_factory=set)


class Strangers:
    """Refused logins that were nobody's: how many, and from where; told of in the log now and then."""

    def __init__(self) -> None:
        self._hosts: Counter[str] = Counter()
        self._told_at = float("-inf")

    def note(self, host: str) -> None:
        """Count one; of hosts only so many are told apart."""
        self._hosts[host if host in self._hosts or len(self._hosts) < _HOSTS else "others"] += 1

    def tell(self, hub: str) -> None:
        """Say how many came from where, and begin anew; but not again so soon."""
        now = asyncio.get_running_loop().time()
        if not self._hosts or now - self._told_at < _STRANGERS_SECONDS:
            return
        self._told_at = now
        hosts = dict(self._hosts.most_common())
        self._hosts.clear()
        log.warning("logins of strangers refused", hub=hub, logins=sum(hosts.values()), hosts=hosts, action="presence")

    def counted(self) -> dict[str, int]:
        """Return how many came from where since that was told last."""
        return dict(self._hosts)


class Attendance:
    """Every user of a Hub that is connected, or was refused since it was last told."""

    def __init__(
        self,
        connection: SystemConnection,
        *,
        issuers: Callable[[], Issuers],
        changed: Callable[[User], None],
        clock: Callable[[], int],
    ) -> None:
        """Prepare; ``changed`` is called with each user of whom something new is known."""
        self._connection = connection
        self._clock = clock
        self._issuers = issuers
        self._changed = changed
        self._users: dict[User, Presence] = {}
        self._open: dict[Connection, User] = {}
        self._ended: dict[Connection, tuple[int, float]] = {}
        """Connections that ended lately: when, and when we heard of it, by the event loop's clock."""
        self._read: set[tuple[str, str]] = set()
        self._readings: dict[tuple[str, str], _Reading] = {}
        self._continuity: tuple[int, int] | None = None
        self._read_again = 0.0
        self._second = 0
        self._refusals = 0
        self.strangers = Strangers()

    def __iter__(self) -> Iterator[User]:
        return iter(tuple(self._users))

    def of(self, user: User) -> Presence:
        """Return what is known of a user."""
        return self._users.get(user, Presence())

    def drop(self, user: User, known: Presence) -> bool:
        """Forget a user whom nothing is left to be told of: he is not connected, and there is no news; tell whether."""
        over = not known.connections and self.of(user) == known
        if over:
            self._users.pop(user, None)
        return over

    def heard(self, subject: str, body: bytes) -> bool:
        """Take in what a server tells; tell whether it was anything of this kind."""
        if not is_advisory(subject):
            return False
        if is_refusal(subject) and not self._may_read_refusal():
            self.strangers.note("others")
            return True
        advisory = read_advisory(subject, body, self._issuers())
        if isinstance(advisory, Connected | Disconnected):
            self._note_for_reading(subject.split(".")[2], advisory)
        self._take_in(advisory)
        return True

    async def follow(self, servers: AbstractSet[str]) -> bool:
        """Listen, and read what must be; tell whether everybody who is connected to these servers is known again.

        ``servers``: the ids of those there are. ``False`` where nothing had to be read.

        Raises:
            UnavailableError: a server could not be asked; what was read stays.

        """
        await self._connection.listen(SUBJECTS)
        loop = asyncio.get_running_loop()
        if self._connection.continuity != self._continuity or loop.time() >= self._read_again:
            self._continuity = self._connection.continuity
            self._read_again = loop.time() + _READ_AGAIN_SECONDS
            self._read.clear()
        accounts = self._issuers().ledgers.keys()
        wanted = {(server, account) for server in servers for account in accounts}
        self._read &= wanted
        missing = wanted - self._read
        for connection in [c for c, user in self._open.items() if (c.server, user.account) not in wanted]:
            self._end(connection, self._clock())
        for server, account in sorted(missing):
            await self._read_from(server, account)
        return bool(missing)

    async def leave(self) -> None:
        """Stop listening."""
        try:
            await self._connection.listen(())
        except UnavailableError:
            return  # the next connection does not listen either

    def _may_read_refusal(self) -> bool:
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._refusals = second, 0
        self._refusals += 1
        return self._refusals <= _READ_REFUSALS

    def _note_for_reading(self, account: str, advisory: Connected | Disconnected) -> None:
        reading = self._readings.get((advisory.connection.server, account))
        if reading is not None:
            came = isinstance(advisory, Connected)
            (reading.came if came else reading.went).add(advisory.connection.cid)

    def _take_in(self, advisory: Advisory | None) -> None:
        match advisory:
            case None:
                pass
            case Connected(connection, user, at):
                self._begin(connection, user, at)
            case Disconnected(connection, at):
                self._end(connection, at)
                self._remember_end(connection, at)
            case Denied(user):
                self._know(user, self.of(user).refused(advisory))
            case stranger:
                self.strangers.note(stranger.host)

    def _begin(self, connection: Connection, user: User, at: int) -> None:
        if connection in self._ended:  # its number is never given again
            ended_at, _ = self._ended[connection]
            self._know(user, self.of(user).came(connection, at).went(connection, ended_at))
            return
        user = self._open.setdefault(connection, user)
        self._know(user, self.of(user).came(connection, at))

    def _end(self, connection: Connection, at: int = 0) -> None:
        user = self._open.pop(connection, None)
        if user is not None:
            self._know(user, self.of(user).went(connection, at))

    def _remember_end(self, connection: Connection, at: int) -> None:
        now = asyncio.get_running_loop().time()
        self._ended.setdefault(connection, (at, now))
        while self._ended and now - self._ended[oldest := next(iter(self._ended))][1] > _LATE_SECONDS:
            del self._ended[oldest]

    def _know(self, user: User, presence: Presence) -> None:
        if self._users.get(user) != presence:
            self._users[user] = presence
            self._changed(user)

    async def _read_from(self, server: str, account: str) -> None:
        reading = self._readings[server, account] = _Reading()
        try:
            listed, connected = await self._list(server, account, reading)
        finally:
            del self._readings[server, account]
        self._read.add((server, account))
        here = [c for c, user in self._open.items() if c.server == server and user.account == account]
        for connection in here:
            if connection.cid not in listed and connection.cid not in reading.came:
                self._end(connection)
        for one in connected.values():
            self._begin(one.connection, one.user, one.at)

    async def _list(
        self, server: str, account: str, reading: _Reading
    ) -> tuple[AbstractSet[int], Mapping[Connection, Connected]]:
        """Return the number of each open connection, and whose they are, of those of whom that is told."""
        listed: set[int] = set()
        connected: dict[Connection, Connected] = {}
        async for page in pages(
            self._connection,
            server,
            account,
            read=lambda body: read_listing(body, account, self._issuers()),
            went=reading.went,
        ):
            listed |= page.known
            connected.update((one.connection, one) for one in page.connected)
        return listed, connected
