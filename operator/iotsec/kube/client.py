"""A lean client of the API server: a few verbs over one pool of connections.

Every error is an :class:`~iotsec.kube.errors.ApiError`; nothing is retried here, the work queue does that.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from iotsec import __version__
from iotsec.decide.names import FIELD_MANAGER
from iotsec.kube.access import Access
from iotsec.kube.errors import ApiError, api_error
from iotsec.kube.resources import Resource, Selection

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_REQUEST_SECONDS = 20
_WATCH_SECONDS = 300
_TOKEN_SECONDS = 60.0
_CONNECTIONS = 40  # for requests that end; each watch has one of its own
_CONNECT_SECONDS = 5.0  # from asking whether something may be sent until it is: `docs/adr/0022-lease.md`
_PAGE = 500
_LINE_LIMIT = 2**22  # a watch event carries one object, and no object is larger than etcd's 1.5 MiB


class Client:
    """Requests to one API server. Use it as an async context manager."""

    def __init__(
        self,
        access: Access,
        *,
        instance: str = "",
        sending: Callable[[], Awaitable[None]] | None = None,
        seconds: float = _REQUEST_SECONDS,
    ) -> None:
        """Prepare; ``sending`` is awaited before each request that may change something.

        ``instance`` is told to the API server, whose audit log then tells replicas apart; a request is given up after
        so many ``seconds``.
        """
        self._access = access
        self._sending = sending
        self._agent = f"iotsec/{__version__}" + (f" ({instance})" if instance else "")
        self._seconds = seconds
        self._session: aiohttp.ClientSession
        self._watches: aiohttp.ClientSession
        self._token: str | None = None
        self._token_read = float("-inf")

    async def __aenter__(self) -> Self:
        connecting = min(_CONNECT_SECONDS, self._seconds)
        self._session = self._connections(
            _CONNECTIONS, aiohttp.ClientTimeout(total=self._seconds, connect=connecting, sock_connect=connecting)
        )
        # Bookmarks come every minute: silence for longer means a dead connection.
        # A watch keeps its connection: some namespaces, with eight watches each, would leave none for requests.
        self._watches = self._connections(0, aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._watches.close()
        await self._session.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Read one object."""
        return await self._call("GET", resource.path(namespace, name))

    async def get_metadata(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Read one object's metadata."""
        return await self._call("GET", resource.path(namespace, name), accept=METADATA_ONLY)

    async def document(self, path: str) -> dict[str, Any]:
        """Read what the API server tells of itself at a path."""
        return await self._call("GET", path)

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object, and only create it; answers with its metadata alone."""
        return await self._call(
            "POST",
            resource.path(namespace),
            body=body,
            params={"fieldManager": FIELD_MANAGER},
            accept=METADATA_ONLY,
        )

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any], *, subresource: str | None = None
    ) -> dict[str, Any]:
        """Change the fields named, and no others; answers with the object's metadata alone."""
        return await self._call(
            "PATCH",
            resource.path(namespace, name, subresource),
            body=body,
            params={"fieldManager": FIELD_MANAGER},
            content_type=MERGE,
            accept=METADATA_ONLY,
        )

    async def json_patch(
        self, resource: Resource, namespace: str, name: str, operations: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Apply a JSON patch; answers with the object's metadata alone."""
        return await self._call(
            "PATCH",
            resource.path(namespace, name),
            body=operations,
            params={"fieldManager": FIELD_MANAGER},
            content_type=JSON_PATCH,
            accept=METADATA_ONLY,
        )

    async def apply(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply, also over what others wrote; answers with the object's metadata alone."""
        return await self._call(
            "PATCH",
            resource.path(namespace, name),
            body=body,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type=APPLY,
            accept=METADATA_ONLY,
        )

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object, and only the one with this uid."""
        await self._call("DELETE", resource.path(namespace, name), body={"preconditions": {"uid": uid}})

    async def list_pages(
        self, selection: Selection, *, metadata_only: bool = False
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """Yield all objects page by page, each page with the list's resourceVersion."""
        params = {"limit": str(_PAGE)} | selection.parameters()
        accept = METADATA_LIST if metadata_only else "application/json"
        while True:
            page = await self._call("GET", selection.path, params=params, accept=accept)
            metadata = page["metadata"]
            yield page.get("items") or [], metadata["resourceVersion"]
            if not metadata.get("continue"):
                return
            params["continue"] = metadata["continue"]

    async def any(self, selection: Selection) -> bool:
        """Tell whether there is any such object."""
        params = {"limit": "1"} | selection.parameters()
        page = await self._call("GET", selection.path, params=params, accept=METADATA_LIST)
        return bool(page.get("items"))

    async def watch(
        self, selection: Selection, resource_version: str, *, metadata_only: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield watch events, bookmarks too, until the server ends the watch.

        Raises:
            GoneError: the resourceVersion is too old.

        """
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        } | selection.parameters()
        headers = self._headers() | {"Accept": METADATA_ONLY if metadata_only else "application/json"}
        async with self._watches.get(self._url(selection.path, params), headers=headers) as response:
            if response.status != 200:  # noqa: PLR2004
                raise api_error(response.status, await _status_of(response))
            async for line in response.content:
                event: dict[str, Any] = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise api_error(int(event["object"].get("code", 500)), event["object"])
                yield event

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        headers = self._headers() | {"Accept": accept}
        data = None
        if method != "GET" and self._sending is not None:
            await self._sending()
        if body is not None:
            headers["Content-Type"] = content_type
            data = orjson.dumps(body)
        try:
            async with self._session.request(method, self._url(path, params), data=data, headers=headers) as response:
                if response.status >= 400:  # noqa: PLR2004
                    retry_after = response.headers.get("Retry-After")
                    raise api_error(
                        response.status,
                        await _status_of(response),
                        retry_after=float(retry_after) if retry_after and retry_after.isdigit() else None,
                    )
                answer: dict[str, Any] = orjson.loads(await response.read())
                return answer
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            raise ApiError(0, "Unreachable", type(error).__name__) from None

    def _connections(self, limit: int, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        """Return connections to the API server, at most so many at once; 0 for any number."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=self._access.ssl_context()),
            headers={"User-Agent": self._agent},
            timeout=timeout,
            read_bufsize=_LINE_LIMIT,
        )

    def _url(self, path: str, params: Mapping[str, str] | None) -> URL:
        """Put a URL together as it goes over the wire: parsing and joining it would cost as much as signing a JWT."""
        query = f"?{urlencode(params)}" if params else ""
        return URL(f"{self._access.server}{path}{query}", encoded=True)

    def _headers(self) -> dict[str, str]:
        now = asyncio.get_running_loop().time()
        if now - self._token_read > _TOKEN_SECONDS:
            self._token, self._token_read = self._access.token(), now
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


async def _status_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        status = orjson.loads(await response.read())
    except orjson.JSONDecodeError:
        return {"message": f"HTTP {response.status}"}
    return status if isinstance(status, dict) else {}
