"""Account JWTs on every server: pushed, and believed only when each server shows what it runs.

A server answers 200 once it stored a JWT, whether it could use it or not (nats-server ``accounts.go``), so a push is
done when every server we know was asked, its resolver gives back that very JWT, and it runs that one where it runs any.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from iotsec.broker import answers
from iotsec.broker.answers import Server
from iotsec.broker.connection import SystemConnection, UnavailableError

log = structlog.get_logger()

_PUSH_SECONDS = 2.5
_ASK_SECONDS = 1.5
_PING_SECONDS = 1.0
_FIRST_PING_SECONDS = 0.3
_MORE_THAN_ANY = 1024

NOBODY_TAKES = "no server takes account JWTs: its resolver must be of type full"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How an account's JWT stands on the servers."""

    servers: Mapping[str, Server]
    """Every server that answers, by id."""
    behind: frozenset[str]
    """Ids of those not seen to run the JWT."""
    error: str = ""
    """What a server said against it."""

    @property
    def complete(self) -> bool:
        """Whether there are servers and all of them run the JWT."""
        return bool(self.servers) and not self.behind and not self.error


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the servers run and store for one account at one moment; tokens never show in a repr."""

    servers: Mapping[str, Server]
    """Every server that answers, by id."""
    running: Mapping[str, str] = field(repr=False)
    """What each runs, by id; empty where nobody of the account was there yet."""
    stored: tuple[str, ...] = field(repr=False)
    """What each resolver gives back; answers do not say whose they are."""

    @property
    def tokens(self) -> frozenset[str]:
        """Every JWT of the account that some server has."""
        return frozenset((*self.running.values(), *self.stored)) - {""}

    def judged_by(self, token: str) -> Distribution:
        """Tell how this JWT stands."""
        behind = {id_ for id_ in self.servers if self.running.get(id_, "?") not in ("", token)}
        if not behind and self.stored.count(token) < len(self.servers):
            behind = set(self.servers)  # somebody's store is behind
        return Distribution(self.servers, frozenset(behind))


class Servers:
    """The servers of one Hub: who is there, and what they run."""

    def __init__(self, connection: SystemConnection) -> None:
        self._connection = connection
        self.known: dict[str, Server] = {}
        """Every server that answered or was heard lately, by id."""

    def heard(self, subject: str, body: bytes) -> bool:
        """Take note of what a server tells of itself; tell whether one came or went."""
        found = answers.servers((body,))
        if subject.endswith(".SHUTDOWN"):
            gone = found.keys() & self.known.keys()
            for id_ in gone:
                del self.known[id_]
            return bool(gone)
        new = found.keys() - self.known.keys()
        self.known.update(found)
        return bool(new)

    async def discover(self) -> None:
        """Ask who is there, and forget who is not.

        Raises:
            UnavailableError: nobody can be asked.

        """
        before = dict(self.known)
        # No answer tells that it was the last: wait for those we know, and a little for others only at first.
        found = await self._ping(len(before) or _MORE_THAN_ANY, _PING_SECONDS if before else _FIRST_PING_SECONDS)
        if before.keys() - found.keys():
            found |= await self._ping(len(before), _PING_SECONDS)  # one answer may be lost or late
        gone = before.keys() - found.keys()
        self.known = {id_: server for id_, server in self.known.items() if id_ not in gone} | found
        if self.known.keys() != before.keys():
            log.info("servers changed", servers=sorted(s.name for s in self.known.values()), action="discover")
        if not found:
            self._connection.abandon("no server answers over it")
            raise UnavailableError("no NATS server answers the system account")

    async def push(self, account: str, token: str) -> Distribution:
        """Give every server the account's JWT and see that it runs it.

        Raises:
            UnavailableError: nobody can be asked.

        """
        if not self.known:
            await self.discover()
        replies = answers.push_answers(
            await self._connection.gather(
                "$SYS.REQ.CLAIMS.UPDATE", token.encode(), expect=len(self.known), seconds=_PUSH_SECONDS
            )
        )
        self.known.update({reply.server.id: reply.server for reply in replies})
        error = next((reply.error for reply in replies if reply.error), "" if replies else NOBODY_TAKES)
        return replace((await self.look(account)).judged_by(token), error=error)

    async def look(self, account: str) -> Sighting:
        """See what every server stores and runs for the account.

        Raises:
            UnavailableError: nobody can be asked.

        """
        if not self.known:
            await self.discover()
        ask, expect = self._connection.gather, len(self.known)
        running, stored = await asyncio.gather(
            ask(f"$SYS.REQ.ACCOUNT.{account}.INFO", b"", expect=expect, seconds=_ASK_SECONDS),
            ask(f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP", b"", expect=expect, seconds=_ASK_SECONDS),
        )
        applied = {answer.server.id: answer.token for answer in answers.account_answers(running)}
        if self.known.keys() - applied.keys():
            await self.discover()  # somebody did not answer: is it gone, or only late?
        return Sighting(dict(self.known), applied, tuple(text.decode(errors="replace") for text in stored))

    async def _ping(self, expect: int, seconds: float) -> dict[str, Server]:
        return answers.servers(
            await self._connection.gather("$SYS.REQ.SERVER.PING", b"", expect=expect, seconds=seconds)
        )
