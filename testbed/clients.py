"""What a device does: log in with its creds file, publish, subscribe, be refused, be cut off."""

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import nats
import nats.errors
from nats.aio.client import Client, RawCredentials
from nats.aio.transport import WebSocketTransport

from testbed.waiting import wait_until_async

_SECONDS = 5


@dataclass(slots=True)
class Connected:
    """A live connection, and what became of it."""

    client: Client
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float = 0.0
    """`time.monotonic()` of the moment the server ended it."""
    errors: list[str] = field(default_factory=list)

    async def may_publish(self, subject: str, payload: bytes = b"x") -> bool:
        """Publish, and tell whether the server took it."""
        return await self._is_allowed(f'publish to "{subject}"', self.client.publish(subject, payload))

    async def may_subscribe(self, subject: str, queue: str = "") -> bool:
        """Subscribe, in a queue group perhaps, and tell whether the server took it."""
        return await self._is_allowed(f'subscription to "{subject}"', self.client.subscribe(subject, queue))

    async def wait_closed(self, within: float = 10) -> float:
        """Wait until the server ends the connection; return the moment (`time.monotonic()`)."""
        async with asyncio.timeout(within):
            await self.closed.wait()
        return self.closed_at

    async def _is_allowed(self, refusal: str, action: Awaitable[object]) -> bool:
        self.errors.clear()
        await action
        # nats-py's ping overtakes what is still in its buffer, so the first flush only empties that; the server answers
        # in order, so a refusal comes before the second pong.
        await self.client.flush(_SECONDS)
        await self.client.flush(_SECONDS)
        return not any(refusal.lower() in error.lower() for error in self.errors)


@asynccontextmanager
async def connect_as(
    url: str, creds: str, *, inbox_prefix: str = "_INBOX", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Connected]:
    """Log in with a creds file; raises what nats-py raises where the server refuses.

    With `tls` it insists on an encrypted connection, to a server that the context verifies.
    """
    connected = Connected(Client())

    async def on_closed() -> None:
        connected.closed_at = time.monotonic()
        connected.closed.set()

    async def on_error(error: Exception) -> None:
        connected.errors.append(str(error))

    try:
        with warnings.catch_warnings():
            # How nats-py tells aiohttp its timeout is deprecated there; only WebSockets go that way.
            warnings.filterwarnings("ignore", "parameter 'timeout' of type 'float'", DeprecationWarning)
            await connected.client.connect(
                url,
                user_credentials=RawCredentials(creds),
                allow_reconnect=False,
                # Even so nats-py dials again where it cannot connect, for two minutes unless told otherwise.
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=_SECONDS,
                inbox_prefix=inbox_prefix.encode(),
                tls=tls,
                closed_cb=on_closed,
                error_cb=on_error,
            )
        yield connected
    finally:
        await _close(connected.client)


async def _close(client: Client) -> None:
    if not client.is_closed:
        await client.close()
    transport = client._transport  # noqa: SLF001 - nats-py forgets the socket of a login that was refused
    if transport is not None:
        transport.close()  # type: ignore[no-untyped-call]
        if isinstance(transport, WebSocketTransport):
            await transport.wait_closed()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)


async def is_refused(url: str, creds: str, *, tls: ssl.SSLContext | None = None) -> bool:
    """Try to log in, and tell whether the server refuses these credentials (and not merely fails to answer)."""
    try:
        async with connect_as(url, creds, tls=tls) as connected:
            await connected.client.flush(_SECONDS)
    except nats.errors.Error as error:
        return "uthorization" in str(error) or "uthentication" in str(error)
    return False


async def is_accepted(url: str, creds: str, *, tls: ssl.SSLContext | None = None) -> bool:
    """Try to log in, and tell whether the server lets these credentials in; one that is not there does not."""
    try:
        async with connect_as(url, creds, tls=tls) as connected:
            await connected.client.flush(_SECONDS)
    except (OSError, nats.errors.Error):
        return False
    return True


async def wait_accepted(url: str, creds: str, *, within: float = 30, tls: ssl.SSLContext | None = None) -> None:
    """Wait until the server lets these credentials in."""
    await wait_until_async(partial(is_accepted, url, creds, tls=tls), within=within)


async def wait_refused(url: str, creds: str, *, within: float = 10, tls: ssl.SSLContext | None = None) -> None:
    """Wait until the server no longer lets these credentials in."""
    await wait_until_async(partial(is_refused, url, creds, tls=tls), within=within)
