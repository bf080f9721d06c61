"""Keeps the objects that Hubs have in any namespace: written where they differ, repaired, deleted where unwanted."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import structlog

from iotsec.decide import names
from iotsec.decide.placement import (
    Facts,
    Place,
    Sort,
    Wanted,
    Write,
    facts_of,
    in_the_way,
    is_theirs,
    plan_placement,
)
from iotsec.kube.client import Client
from iotsec.kube.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from iotsec.kube.keys import Key
from iotsec.kube.resources import HUBS, Resource

log = structlog.get_logger()

_AT_ONCE = 8
_RETRY_SECONDS = 30.0  # for what somebody else has to change, and nobody tells us of
_REFUSALS = {
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_TOO_LARGE = "request is too large"  # etcd's words, which the API server passes on as an error of its own


class Placements:
    """Works on all objects of one sort.

    ``changed`` is called with a Hub that somebody touched an object of: it should be kept again.
    """

    def __init__(self, client: Client, sort: Sort, resource: Resource, *, changed: Callable[[Key], None]) -> None:
        self._client = client
        self._sort = sort
        self.resource = resource
        self.labels = f"{names.COMPONENT}={sort.component}"
        """The label selector of what is to be watched."""
        self._changed = changed
        self._facts: dict[Place, Facts] = {}
        self._refused: dict[Place, tuple[float, Write, str]] = {}
        """Why an object could not be written, and until when that is believed; by the event loop's clock."""
        self._contested: dict[Place, set[Key]] = {}
        """Who wants a place that another Hub has."""
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def upsert(self, item: Mapping[str, Any]) -> None:
        """Take in an object as the watch shows it; a version that is not the one we wrote is suspect."""
        facts = facts_of(self._sort, item["metadata"])
        before = self._facts.get(facts.place)
        if before is not None and before.uid == facts.uid:
            if facts.version <= before.version:
                return  # the echo of what we wrote, or older still
            facts = replace(facts, suspect=True, hub=before.hub or facts.hub)  # it changes hands by no hand edit
        self._facts[facts.place] = facts
        self._tell(facts)

    def gone(self, namespace: str, name: str) -> None:
        """Take in that an object is no longer there, or no longer says that it is ours."""
        facts = self._facts.pop((namespace, name), None)
        if facts is not None:
            self._tell(facts)
        for hub in self._contested.pop((namespace, name), ()):
            self._changed(hub)

    def hubs(self) -> frozenset[Key]:
        """Return the Hubs that have such objects, whether or not they still exist."""
        return frozenset(key for facts in self._facts.values() if (key := _key(facts.hub)) is not None)

    def has(self, hub: Key, place: Place) -> bool:
        """Tell whether a Hub has an object there."""
        facts = self._facts.get(place)
        return facts is not None and facts.hub == hub.place

    async def keep(
        self, hub: Key, wanted: Wanted, *, leaves: Callable[[Place], bool] = lambda _: False
    ) -> dict[Place, str]:
        """Make the Hub's objects so, and delete what else it has. Return where that cannot be: why, and what to do.

        An object that it ``leaves`` stays as it is, though it is not wanted.

        Raises:
            ApiError: the API server does not work; try again.

        """
        plan = plan_placement(self._sort, hub.place, wanted, self._facts.values(), leaves=leaves)
        for place in plan.conflicts:
            self._contested.setdefault(place, set()).add(hub)
        now = asyncio.get_running_loop().time()
        self._refused = {place: entry for place, entry in self._refused.items() if entry[0] > now}
        await asyncio.gather(*(self._delete(facts) for facts in plan.deletions))
        refusals = await asyncio.gather(*(self._write(write, now) for write in plan.writes))
        told = {write.place: why for write, why in zip(plan.writes, refusals, strict=True) if why}
        return {**plan.conflicts, **told}

    async def _write(self, write: Write, now: float) -> str:
        """Write one; return why it cannot be written, if so."""
        place, named = write.place, f"{self._sort.kind} {'/'.join(write.place)}"
        known = self._refused.get(place)
        if known is not None and known[1] == write:
            return known[2]
        async with self._slots:
            try:
                metadata = await self._written(write)
            except ConflictError:
                self._facts.pop(place, None)  # another took its place: the watch tells, or the next attempt
                return f"{named} is being changed by others: it is tried again"
            except ApiError as error:
                if error.code not in _REFUSALS and _TOO_LARGE not in str(error):
                    raise
                metadata = None
                is_ending = error.in_ending_namespace  # nothing is missed in a namespace that goes
                why = "" if is_ending else f"{named} cannot be written: {error}"
            else:
                why = in_the_way(self._sort, place) if metadata is None else ""
        if metadata is None:
            self._refused[place] = now + _RETRY_SECONDS, write, why
            return why
        self._facts[place] = replace(facts_of(self._sort, metadata), suspect=False)
        log.info("placed", hub=write.hub, object=named, action="write")
        return ""

    async def _written(self, write: Write) -> Mapping[str, Any] | None:
        """Return the metadata of the object as it is now, or ``None`` where somebody else's is in the way."""
        uid, stale = "", frozenset[str]()
        if write.replaces is not None:
            uid, stale = write.replaces.uid, write.replaces.entries
        try:
            if uid:
                return await self._change(write, uid, stale)
            return _metadata(await self._client.create(self.resource, write.namespace, write.to_object()))
        except NotFoundError:
            self._facts.pop(write.place, None)
            raise
        except AlreadyExistsError:
            found = _metadata(await self._client.get_metadata(self.resource, write.namespace, write.name))
            if is_theirs(found, write.hub):
                return None
            return await self._change(write, found["uid"], facts_of(self._sort, found).entries)  # it lost our labels

    async def _change(self, write: Write, uid: str, stale: frozenset[str]) -> Mapping[str, Any]:
        place = write.place
        if self._sort.shared:
            patch = write.to_merge_patch(uid, stale)
            return _metadata(await self._client.merge_patch(self.resource, *place, patch))
        return _metadata(await self._client.apply(self.resource, *place, write.to_apply(uid)))

    async def _delete(self, facts: Facts) -> None:
        async with self._slots:
            try:
                await self._client.delete(self.resource, *facts.place, uid=facts.uid)
            except (NotFoundError, ConflictError):
                pass  # it is gone, or another's by now
            else:
                named = f"{self._sort.kind} {'/'.join(facts.place)}"
                log.info("no longer placed", hub=facts.hub, object=named, action="delete")
        self._facts.pop(facts.place, None)

    def _tell(self, facts: Facts) -> None:
        key = _key(facts.hub)
        if key is not None:
            self._changed(key)


def _key(hub: str) -> Key | None:
    namespace, _, name = hub.partition("/")
    return Key(HUBS.kind, namespace, name) if namespace and name else None


def _metadata(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = answer["metadata"]
    return found
