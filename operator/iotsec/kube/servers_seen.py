"""The servers of a Hub by name: those that answer, and those that did a while ago, which may be restarting."""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from iotsec.broker.connection import SystemConnection, UnavailableError
from iotsec.kube.hub_runtime import HubRuntime

_AWAY_SECONDS = 600.0
"""How long a server is waited for that no longer answers: a restart is over by then."""

T_co = TypeVar("T_co", covariant=True)


class Question(Protocol[T_co]):
    """What all servers of a Hub are asked; the answers are by the server's name."""

    def __call__(self, connection: SystemConnection, *, expect: int) -> Awaitable[Mapping[str, T_co]]:
        """Ask; raises ``UnavailableError``."""


class ServersSeen:
    """When each server last answered, by the event loop's clock; a restart of the operator begins it anew."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)

    def clear(self) -> None:
        """Forget all."""
        self._seen.clear()

    async def ask(
        self, question: Question[T_co], hub: HubRuntime, *, before: Iterable[Mapping[str, Any]]
    ) -> Mapping[str, T_co]:
        """Ask every server, and take note of who is there, or was a while ago; nobody answers where none can be asked.

        ``before`` are the servers that the Hub's status tells of.
        """
        now, known = asyncio.get_running_loop().time(), hub.servers.known.values()
        for name in (*(one["name"] for one in before), *(server.name for server in known)):
            self._seen.setdefault(name, now)
        answers: Mapping[str, T_co] = {}
        with suppress(UnavailableError):
            answers = await question(hub.connection, expect=len(known))
        self._seen.update(dict.fromkeys(answers, now))
        # Without a name of its own a server is another after each start: the former one is not coming back.
        nameless = any(server.id == server.name for server in hub.servers.known.values())
        self._seen = {
            name: at
            for name, at in self._seen.items()
            if now - at < _AWAY_SECONDS and (name in answers or not nameless)
        }
        return answers
