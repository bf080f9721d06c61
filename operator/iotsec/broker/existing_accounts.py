"""What servers that somebody else set up trust and store: asked before anything is signed in their operator's name."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from iotsec.broker import answers
from iotsec.broker.connection import SystemConnection
from iotsec.broker.distribution import NOBODY_TAKES, Servers

_SECONDS = 2.0
_AT_ONCE = 16


class NotTakenError(Exception):
    """The servers keep no account JWTs that they are told; the message says what to configure."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the servers told; tokens never show in a repr."""

    operators: tuple[tuple[str, ...], ...] = field(repr=False)
    """The operator JWTs that each server trusts."""
    accounts: tuple[str, ...] = field(default=(), repr=False)
    """Every account JWT that some server stores."""


async def survey(connection: SystemConnection, servers: Servers, *, accounts: bool, system: str) -> Survey | None:
    """Ask every server whom it trusts and, if wanted, for all ``accounts`` but the ``system`` account.

    Returns ``None`` where a server that is known did not answer: what it stores may be another.

    Raises:
        UnavailableError: nobody can be asked.
        NotTakenError: the servers' resolvers take no accounts.

    """
    await servers.discover()
    expect = len(servers.known)
    told = await connection.gather("$SYS.REQ.SERVER.PING.VARZ", b"", expect=expect, seconds=_SECONDS)
    operators = tuple(_operators(body) for body in answers.bodies(told))
    if len(operators) < expect:
        return None
    if not accounts:
        return Survey(operators)
    listed = list(answers.bodies(await connection.gather("$SYS.REQ.CLAIMS.LIST", b"", expect=expect, seconds=_SECONDS)))
    if not listed:
        raise NotTakenError(NOBODY_TAKES)
    if len(listed) < expect:
        return None
    known = {str(account) for body in listed for account in body.get("data") or ()} - {system}
    return Survey(operators, await _looked_up(connection, sorted(known), expect))


async def _looked_up(connection: SystemConnection, accounts: Iterable[str], expect: int) -> tuple[str, ...]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look_up(account: str) -> list[bytes]:
        async with turns:
            subject = f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"
            return await connection.gather(subject, b"", expect=expect, seconds=_SECONDS)

    found = await asyncio.gather(*map(look_up, accounts))
    return tuple(sorted({token.decode(errors="replace") for tokens in found for token in tokens if token}))


def _operators(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, (body.get("data") or {}).get("trusted_operators_jwt") or ()))
