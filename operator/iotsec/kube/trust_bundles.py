"""Keeps the ConfigMaps with trust bundles: written where they differ, repaired, deleted where they are not wanted."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import structlog

from iotsec.decide.trust_bundles import (
    BundleFacts,
    BundleWrite,
    WantedBundle,
    bundle_facts,
    in_the_way,
    is_theirs,
    plan_bundles,
)
from iotsec.kube.client import Client
from iotsec.kube.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from iotsec.kube.keys import Key
from iotsec.kube.resources import HUBS, Resource

log = structlog.get_logger()

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")

_AT_ONCE = 8
_RETRY_SECONDS = 30.0  # for what somebody else has to change, and nobody tells us of
_REFUSALS = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}


class TrustBundles:
    """Works on the ConfigMaps of all Hubs.

    ``changed`` is called with a Hub that somebody touched a ConfigMap of: it should be kept again.
    """

    def __init__(self, client: Client, *, changed: Callable[[Key], None]) -> None:
        self._client = client
        self._changed = changed
        self._facts: dict[tuple[str, str], BundleFacts] = {}
        self._refused: dict[tuple[str, str], tuple[float, BundleWrite, str]] = {}
        """Why a ConfigMap could not be written, and until when that is believed; by the event loop's clock."""
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def upsert(self, item: Mapping[str, Any]) -> None:
        """Take in a ConfigMap as the watch shows it; a version that is not the one we wrote is suspect."""
        facts = bundle_facts(item["metadata"])
        place = facts.namespace, facts.name
        before = self._facts.get(place)
        if before is not None and before.uid == facts.uid:
            if facts.version <= before.version:
                return  # the echo of what we wrote, or older still
            facts = replace(facts, suspect=True, hub=before.hub or facts.hub)  # it changes hands by no hand edit
        self._facts[place] = facts
        self._tell(facts)

    def gone(self, namespace: str, name: str) -> None:
        """Take in that a ConfigMap is no longer there, or no longer says that it is ours."""
        facts = self._facts.pop((namespace, name), None)
        if facts is not None:
            self._tell(facts)

    def hubs(self) -> frozenset[Key]:
        """Return the Hubs that have ConfigMaps, whether or not they still exist."""
        return frozenset(key for facts in self._facts.values() if (key := _key(facts.hub)) is not None)

    async def keep(self, hub: Key, wanted: WantedBundle | None) -> tuple[str, ...]:
        """Make the Hub's ConfigMaps so; ``None``: it is to have none. Return where that cannot be, and what to do.

        Raises:
            ApiError: the API server does not work; try again.

        """
        plan = plan_bundles(f"{hub.namespace}/{hub.name}", wanted, self._facts.values())
        now = asyncio.get_running_loop().time()
        self._refused = {place: entry for place, entry in self._refused.items() if entry[0] > now}
        await asyncio.gather(*(self._delete(facts) for facts in plan.deletions))
        refusals = await asyncio.gather(*(self._write(write, now) for write in plan.writes))
        return (*plan.conflicts, *filter(None, refusals))

    async def _write(self, write: BundleWrite, now: float) -> str:
        """Write one; return why it cannot be written, if so."""
        place = write.namespace, write.name
        known = self._refused.get(place)
        if known is not None and known[1] == write:
            return known[2]
        async with self._slots:
            try:
                metadata = await self._written(write)
            except ConflictError:
                self._facts.pop(place, None)  # another took its place: the watch tells, or the next attempt
                return f"ConfigMap {write.namespace}/{write.name} is being changed by others: it is tried again"
            except ApiError as error:
                if error.code not in _REFUSALS:
                    raise
                metadata = None
                is_ending = "being terminated" in str(error)  # nothing is missed in a namespace that goes
                why = "" if is_ending else f"ConfigMap {write.namespace}/{write.name} cannot be written: {error}"
            else:
                why = in_the_way(write.namespace, write.name) if metadata is None else ""
        if metadata is None:
            self._refused[place] = now + _RETRY_SECONDS, write, why
            return why
        self._facts[place] = replace(bundle_facts(metadata), suspect=False)
        log.info("trust bundle written", hub=write.hub, config_map="/".join(place), action="write")
        return ""

    async def _written(self, write: BundleWrite) -> Mapping[str, Any] | None:
        """Return the metadata of the ConfigMap as it is now, or ``None`` where somebody else's is in the way."""
        uid, stale = "", frozenset[str]()
        if write.replaces is not None:
            uid, stale = write.replaces.uid, write.replaces.keys
        try:
            if uid:
                return await self._patch(write, uid, stale)
            return _metadata(await self._client.create(CONFIG_MAPS, write.namespace, write.to_object()))
        except NotFoundError:
            self._facts.pop((write.namespace, write.name), None)
            raise
        except AlreadyExistsError:
            found = _metadata(await self._client.get_metadata(CONFIG_MAPS, write.namespace, write.name))
            if is_theirs(found, write.hub):
                return None
            return await self._patch(write, found["uid"], bundle_facts(found).keys)  # it lost our labels

    async def _patch(self, write: BundleWrite, uid: str, stale: frozenset[str]) -> Mapping[str, Any]:
        patch = write.to_patch(uid, stale)
        return _metadata(await self._client.merge_patch(CONFIG_MAPS, write.namespace, write.name, patch))

    async def _delete(self, facts: BundleFacts) -> None:
        async with self._slots:
            try:
                await self._client.delete(CONFIG_MAPS, facts.namespace, facts.name, uid=facts.uid)
            except (NotFoundError, ConflictError):
                pass  # it is gone, or another's by now
            else:
                log.info(
                    "trust bundle deleted", hub=facts.hub, config_map=f"{facts.namespace}/{facts.name}", action="delete"
                )
        self._facts.pop((facts.namespace, facts.name), None)

    def _tell(self, facts: BundleFacts) -> None:
        key = _key(facts.hub)
        if key is not None:
            self._changed(key)


def _key(hub: str) -> Key | None:
    namespace, _, name = hub.partition("/")
    return Key(HUBS.kind, namespace, name) if namespace and name else None


def _metadata(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = answer["metadata"]
    return found
