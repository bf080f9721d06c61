"""A list and a watch of one resource, told as what is there and what is gone.

Unlike a bare watch it also tells what vanished while nobody watched: after each list, what is no longer there is
reported gone. It decides nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
import structlog

from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError, GoneError
from iotsec.kube.resources import Selection

Object = Mapping[str, Any]

_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger()


class Informer:
    """Keeps ``upsert`` and ``gone`` told of some objects of one resource.

    ``gone`` gets namespace and name, once for each that goes; the namespace is empty where there is none.
    """

    def __init__(
        self,
        client: Client,
        selection: Selection,
        *,
        upsert: Callable[[Object], None],
        gone: Callable[[str, str], None],
        metadata_only: bool = False,
    ) -> None:
        self._client = client
        self._selection = selection
        self._upsert = upsert
        self._gone = gone
        self._metadata_only = metadata_only
        self._known: set[tuple[str, str]] = set()
        self.synced = asyncio.Event()
        """Set once everything there was has been told."""
        self.problem = ""
        """Why nothing can be told at present; empty where it can."""

    def expect(self, namespace: str, name: str) -> None:
        """Have an object told gone that is not in the next list, though no watch may have shown it.

        For what was made here: else one that goes before it was watched is never told. Nothing happens where it is
        in a namespace that is not listed.
        """
        if self._selection.namespace in {None, namespace}:
            self._known.add((namespace, name))

    async def run(self) -> None:
        """List and watch for ever; every failure is retried, a stale watch lists again."""
        failures = 0
        version = ""
        while True:
            try:
                version = version or await self._list()
                self.synced.set()
                self.problem = ""
                version = await self._watch(version)
                failures = 0
            except GoneError:
                version = ""
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                cause = str(error) or type(error).__name__
                self.problem = f"{self._selection.resource.plural} cannot be read: {cause}"
                log.warning("watch interrupted", resource=self._selection.resource.plural, error=cause)
                version = ""
                wait = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                await asyncio.sleep(max(wait, getattr(error, "retry_after", None) or 0.0))
                failures += 1

    async def _list(self) -> str:
        before, seen = set(self._known), set[tuple[str, str]]()
        version = ""
        async for items, version in self._client.list_pages(  # noqa: B007 - the last one counts
            self._selection, metadata_only=self._metadata_only
        ):
            for item in items:
                seen.add(_identifier(item))
                self._known.add(_identifier(item))
                self._tell(item)
        # What came to be expected in the meantime need not be in this list.
        self._tell_gone(before - seen)
        return version

    async def _watch(self, version: str) -> str:
        events = self._client.watch(self._selection, version, metadata_only=self._metadata_only)
        with suppress(asyncio.IncompleteReadError):
            async for event in events:
                item = event["object"]
                version = item["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                identifier = _identifier(item)
                if event["type"] == "DELETED":
                    self._tell_gone([identifier])
                else:
                    self._known.add(identifier)
                    self._tell(item)
        return version

    def _tell_gone(self, objects: Iterable[tuple[str, str]]) -> None:
        for namespace, name in tuple(objects):
            self._known.discard((namespace, name))
            self._gone(namespace, name)

    def _tell(self, item: Object) -> None:
        """Pass an object on; one that nobody can read is passed over, and must not end the watch of all others."""
        try:
            self._upsert(item)
        except Exception:
            name = f"{self._selection.resource.kind} {'/'.join(filter(None, _identifier(item)))}"
            log.exception("object cannot be read", object=name, action="watch")


def _identifier(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
