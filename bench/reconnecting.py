"""Clients that reconnect by themselves, as NATS clients do unless told otherwise."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from nats.aio.client import DEFAULT_RECONNECT_TIME_WAIT, Client, RawCredentials

from bench.site import Fleet
from testbed.clients import Connected

PAUSE_SECONDS = float(DEFAULT_RECONNECT_TIME_WAIT)
"""For how long a client leaves a server alone that it connected to; nats-py's default, like all its settings here."""


@dataclass(slots=True)
class Reconnecting:
    """One client."""

    name: str
    connected: Connected
    returned: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has reconnected."""

    async def may_publish(self, subject: str) -> bool:
        """Publish to a subject of its own, in which `{id}` stands for its id; tell whether the server took it."""
        return await self.connected.may_publish(subject.replace("{id}", self.name))

    async def publishes_at(self, subject: str) -> float:
        """Wait until it may publish there, once it has reconnected; return when that was, in `time.monotonic()`."""
        while True:
            await self.returned.wait()
            self.returned.clear()
            if await self.may_publish(subject):
                return time.monotonic()


@asynccontextmanager
async def reconnecting(fleet: Fleet, names: Sequence[str]) -> AsyncIterator[list[Reconnecting]]:
    """Connect these devices with the creds of their Secrets."""
    async with AsyncExitStack() as connections:
        devices: list[Reconnecting] = []
        for name in names:
            devices.append(await _connect(fleet, name))
            connections.push_async_callback(devices[-1].connected.client.close)
        yield devices


async def _connect(fleet: Fleet, name: str) -> Reconnecting:
    creds = await asyncio.to_thread(fleet.user.creds, name)
    device = Reconnecting(name, Connected(Client()))

    async def on_error(error: Exception) -> None:
        device.connected.errors.append(str(error))

    async def on_reconnected() -> None:
        device.returned.set()

    await device.connected.client.connect(
        fleet.server.url,
        user_credentials=RawCredentials(creds),
        inbox_prefix=f"_INBOX_{name}".encode(),
        error_cb=on_error,
        reconnected_cb=on_reconnected,
    )
    return device
