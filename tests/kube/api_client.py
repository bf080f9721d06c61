"""The operator's client of the API server, as tests have it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from iotsec.kube.access import find_access
from iotsec.kube.client import Client

_GOODBYE_SECONDS = 0.1  # in which TLS connections close after their session: aiohttp, "Graceful Shutdown"


@asynccontextmanager
async def api_client(kubeconfig: Path, *, sending: Callable[[], Awaitable[None]]) -> AsyncIterator[Client]:
    """Whoever is in `kubeconfig`; `sending` is awaited before each write."""
    async with Client(find_access(str(kubeconfig), None, None), sending=sending) as client:
        yield client
    await asyncio.sleep(_GOODBYE_SECONDS)
