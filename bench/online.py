"""Devices that are connected, and how long they still are once somebody deletes them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.session import in_flight
from bench.site import Fleet
from iotsec.kube.resources import DEVICES
from testbed.clients import Connected, connect_as

_WITHIN_SECONDS = 120.0


@dataclass(slots=True)
class Online:
    """A device that is connected."""

    fleet: Fleet
    name: str
    connection: Connected
    deleted_at: float = 0.0
    """`time.monotonic()` of the moment its deletion was asked for."""

    async def delete(self) -> None:
        """Ask for its deletion."""
        self.deleted_at = time.monotonic()
        await self.fleet.site.session.send("DELETE", DEVICES.path(self.fleet.namespace, self.name))

    async def cut_off_ms(self) -> float:
        """Wait until the server closed the connection; return how many milliseconds after the request that was."""
        return (await self.connection.wait_closed(_WITHIN_SECONDS) - self.deleted_at) * 1000


@asynccontextmanager
async def online(fleet: Fleet, names: Sequence[str]) -> AsyncIterator[list[Online]]:
    """Connect these devices with the creds of their Secrets."""
    async with AsyncExitStack() as connections:
        devices: list[Online] = []

        async def connect(name: str) -> None:
            creds = await asyncio.to_thread(fleet.user.creds, name)
            context = connect_as(fleet.server.url, creds, inbox_prefix=f"_INBOX_{name}")
            devices.append(Online(fleet, name, await connections.enter_async_context(context)))

        await in_flight(names, connect)
        yield devices
