"""Account JWTs on every server: pushed, and believed only when each server shows what it runs.

A server answers 200 once it stored a JWT, whether it could use it or not (nats-server ``accounts.go``), so a push is done
when every server we know was asked, its resolver gives back that very JWT, and it runs that one where it runs any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from iotsec.broker import answers
from iotsec.broker.answers import Server
from iotsec.broker.connection import SystemConnection, UnavailableError

log = structlog.get_logger()

_PUSH_SECONDS = 2.5
_ASK_SECONDS = 1.5
_MORE_THAN_ANY = 1024


@dataclass(frozen=True, slots=True)
class Distribution:
    """How an account's JWT stands on the servers."""

    servers: Mapping[str, Server]
    """Every server that answers, by id."""
    behind: frozenset[str]
    """Ids of those not seen to run the JWT."""
    error: str = ""
    """What a server said against it."""
    newest_foreign: str = field(default="", repr=False)
    """A JWT of this account that is not the one asked for, as some server runs or stores it."""

    @property
    def complete(self) -> bool:
        """Whether there are servers and all of them run the JWT."""
        return bool(self.servers) and not self.behind and not self.error


class Servers:
    """The servers of one Hub: who is there, and what they run."""

    def __init__(self, connection: SystemConnection) -> None:
        self._connection = connection
        self.known: dict[str, Server] = {}
        """Every server that answered or was heard lately, by id."""
        self.pushes = 0

    def heard(self, heartbeat: bytes) -> bool:
        """Take note of a server's heartbeat; tell whether it is new here."""
        found = answers.servers((heartbeat,))
        new = found.keys() - self.known.keys()
        self.known.update(found)
        return bool(new)

    async def discover(self) -> None:
        """Ask who is there, and forget who is not.

        Raises:
            UnavailableError: nobody can be asked.

        """
        # No answer tells that it was the last: wait for those we know, and a little for others only at first.
        expect = len(self.known) or _MORE_THAN_ANY
        seconds = _ASK_SECONDS if self.known else 0.3
        found = answers.servers(
            await self._connection.gather("$SYS.REQ.SERVER.PING", b"", expect=expect, seconds=seconds)
        )
        if found.keys() != self.known.keys():
            log.info("servers changed", servers=sorted(s.name for s in found.values()), action="discover")
        self.known = found
        if not found:
            raise UnavailableError("no NATS server answers the system account")

    async def push(self, account: str, token: str) -> Distribution:
        """Give every server the account's JWT and see that it runs it.

        Raises:
            UnavailableError: nobody can be asked.

        """
        if not self.known:
            await self.discover()
        self.pushes += 1
        replies = answers.push_answers(
            await self._connection.gather(
                "$SYS.REQ.CLAIMS.UPDATE", token.encode(), expect=len(self.known), seconds=_PUSH_SECONDS
            )
        )
        self.known.update({reply.server.id: reply.server for reply in replies})
        error = next((reply.error for reply in replies if reply.error), "")
        verified = await self.verify(account, token)
        return Distribution(verified.servers, verified.behind, error or verified.error, verified.newest_foreign)

    async def verify(self, account: str, token: str) -> Distribution:
        """See what every server stores and runs for the account.

        Raises:
            UnavailableError: nobody can be asked.

        """
        if not self.known:
            await self.discover()
        applied = {
            answer.server.id: answer.token
            for answer in answers.account_answers(
                await self._connection.gather(
                    f"$SYS.REQ.ACCOUNT.{account}.INFO", b"", expect=len(self.known), seconds=_ASK_SECONDS
                )
            )
        }
        if self.known.keys() - applied.keys():
            await self.discover()  # somebody did not answer: is it gone, or only late?
        stored = await self._connection.gather(
            f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP", b"", expect=len(self.known), seconds=_ASK_SECONDS
        )
        behind = {server for server in self.known if applied.get(server, "?") not in ("", token)}
        wrong = [text.decode(errors="replace") for text in stored if text.decode(errors="replace") != token]
        if len(stored) - len(wrong) < len(self.known) and not behind:
            behind = set(self.known)  # lookups do not say whose answer they are: somebody's store is behind
        foreign = [t for t in (*applied.values(), *wrong) if t not in ("", token)]
        return Distribution(dict(self.known), frozenset(behind), newest_foreign=foreign[0] if foreign else "")
