"""The benchmark's own requests to the API server: the leanest there are, so that they are no part of what is measured.

The settings are those of the operator's client (aiohttp, one pool of as many connections), the User-Agent is not: the
audit log tells the two apart.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import orjson

from iotsec.kube.access import find_access
from iotsec.kube.client import METADATA_ONLY
from iotsec.kube.resources import Resource

T = TypeVar("T")

IN_FLIGHT = 16
"""As many requests at once as the operator has workers."""
USER_AGENT = "bench/1"
MERGE = "application/merge-patch+json"

_CONNECTIONS = 40
_REQUEST_SECONDS = 60
_LINE_LIMIT = 2**22
_BAD = 400


class Session:
    """Requests as the user of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        access = find_access(str(kubeconfig), None, None)
        token = access.token()
        self._session = aiohttp.ClientSession(
            base_url=access.server,
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=access.ssl_context()),
            headers={"User-Agent": USER_AGENT, **({"Authorization": f"Bearer {token}"} if token else {})},
            timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
            read_bufsize=_LINE_LIMIT,
        )

    async def send(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", slim: bool = True
    ) -> bytes:
        """Send a request and return the answer's bytes; a `slim` answer holds no more than metadata.

        Raises:
            RuntimeError: it was refused.

        """
        headers = {"Accept": METADATA_ONLY if slim else "application/json"}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = orjson.dumps(body)
        async with self._session.request(method, path, data=data, headers=headers) as response:
            answer = await response.read()
            if response.status >= _BAD:
                raise RuntimeError(f"{method} {path}: HTTP {response.status}: {answer[:500].decode(errors='replace')}")
            return answer

    async def get(self, path: str) -> Any:
        """Return what is at a path."""
        return orjson.loads(await self.send("GET", path, slim=False))

    async def watch(self, resource: Resource, namespace: str, version: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a watch until the server ends it, which it does after half an hour or more."""
        params = {"watch": "1", "resourceVersion": version}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(resource.path(namespace), params=params, timeout=timeout) as response:
            response.raise_for_status()
            async for line in response.content:
                yield orjson.loads(line)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()


async def in_flight(items: Iterable[T], action: Callable[[T], Awaitable[object]], *, limit: int = IN_FLIGHT) -> None:
    """Do something with each item, for `limit` of them at a time."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await action(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(work())
