"""A fleet whose devices shake hands all the time, with what their Secrets hold by then."""

import asyncio
import itertools
import ssl
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fleet.encrypted import EncryptedSite, client_context

from testbed.handshakes import shake_hands
from testbed.nats_server import NatsServer
from testbed.waiting import wait_until_async

_READ_SECONDS = 1.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of one server."""

    name: str
    server: NatsServer

    @property
    def port(self) -> int:
        ports = self.server.ports
        return {"client": ports.client, "mqtt": ports.mqtt, "websocket": ports.websocket}[self.name].number


@dataclass
class MutualFleet:
    """What devices hold, and what they met with."""

    directory: Path
    made: Counter[str] = field(default_factory=Counter)
    """Handshakes that both sides were content with, by listener."""
    refused: list[str] = field(default_factory=list)
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    @property
    def handshakes(self) -> int:
        return sum(self.made.values())

    async def two_more_rounds(self, devices: int) -> None:
        """Wait until everybody was there again."""
        enough = self.handshakes + 2 * devices

        async def were_there() -> bool:
            return self.handshakes >= enough

        await wait_until_async(were_there, within=60)

    def read(self, site: EncryptedSite) -> None:
        """Have every device read its Secret, as a pod's volume brings it."""
        listed = site.user.api.request(
            "GET",
            f"/api/v1/namespaces/{site.user.namespace}/secrets?labelSelector=iotsec.dev%2Fcomponent%3Dcertificate",
        )
        for secret in listed["items"]:
            name = secret["metadata"]["name"]
            data = {key: b64decode(value) for key, value in secret["data"].items()}
            self.contexts[name] = client_context(data["ca.crt"], data, directory=self.directory / name)


@asynccontextmanager
async def shaking_hands_all_the_time(
    site: EncryptedSite, devices: Sequence[str], directory: Path, *, listeners: Sequence[str]
) -> AsyncIterator[MutualFleet]:
    """Have every device shake hands again and again, at one listener of one server after the other.

    A server that is not there refuses nobody.
    """
    fleet, over = MutualFleet(directory), asyncio.Event()
    await asyncio.to_thread(fleet.read, site)
    everywhere = [Listener(name, server) for server in site.servers for name in listeners]

    async def device(name: str, first: int) -> None:
        for listener in itertools.islice(itertools.cycle(everywhere), first, None):
            met = await shake_hands(listener.port, fleet.contexts[f"{name}-device-tls"], nats=listener.name == "client")
            if met.accepted:
                fleet.made[listener.name] += 1
            elif "refused" not in met.error:  # by the system: nobody listens there now
                fleet.refused.append(f"{name} at {listener.name} of {listener.server.name}: {met.error}")
            await asyncio.sleep(_PAUSE_SECONDS)
            if over.is_set():
                return

    async def volumes() -> None:
        while not over.is_set():
            await asyncio.sleep(_READ_SECONDS)
            await asyncio.to_thread(fleet.read, site)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(volumes())
        for number, name in enumerate(devices):
            tasks.create_task(device(name, number % len(everywhere)))
        try:
            yield fleet
        finally:
            over.set()
