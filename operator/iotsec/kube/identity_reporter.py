"""Telling how an identity stands: its status, and an event where that changed."""

import asyncio
from collections.abc import Mapping
from typing import Any

from iotsec.decide import conditions
from iotsec.decide.conditions import Reason
from iotsec.decide.plan import Plan
from iotsec.decide.views import Declared
from iotsec.kube.client import Client
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.queue import WorkQueue
from iotsec.kube.status_writer import write_status

# A push takes milliseconds where the servers are well: what it will change is not worth two status writes.
_PATIENCE_SECONDS = 2.0


class IdentityReporter:
    """Writes the statuses of identities and posts their events."""

    def __init__(self, client: Client, queue: WorkQueue[Key], cache: IdentityCache, events: EventRecorder) -> None:
        self._client = client
        self._queue = queue
        self._cache = cache
        self._events = events
        self._patient_since: dict[Key, float] = {}

    async def tell(self, key: Key, identity: Declared, plan: Plan, hub: HubRuntime | None) -> None:
        """Make the status say what the plan says, now or in a moment."""
        if plan.status is None or self._is_patient(key, hub, settled=plan.settled):
            return
        status = dict(plan.status)
        # Before the write, so that its echo is no news; the watch may be faster than the answer.
        self._cache.wrote_status(key, status)
        try:
            wrote = await write_status(
                self._client,
                IDENTITY_KINDS[key.kind].resource,
                key.namespace,
                key.name,
                previous=identity.status,
                wanted=status,
            )
        except BaseException:
            self._cache.wrote_status(key, identity.status)  # as far as we know; told again with the next attempt
            raise
        if wrote:
            self._post(key, identity, status)

    def forget(self, key: Key) -> None:
        """Take note that an identity is gone."""
        self._patient_since.pop(key, None)

    def _is_patient(self, key: Key, hub: HubRuntime | None, *, settled: bool) -> bool:
        """Tell whether to wait a moment with a status that is about to be overtaken."""
        now = asyncio.get_running_loop().time()
        if settled or hub is None or hub.connection.problem:
            self._patient_since.pop(key, None)
            return False
        since = self._patient_since.setdefault(key, now)
        if now - since >= _PATIENCE_SECONDS:
            return False
        self._queue.add_after(key, _PATIENCE_SECONDS - (now - since) + 0.01)
        return True

    def _post(self, key: Key, identity: Declared, status: Mapping[str, Any]) -> None:
        """Post an event where Ready's reason changed; a first success is no news: the object says it itself."""
        ready = next((c for c in status["conditions"] if c["type"] == conditions.READY), None)
        reason = conditions.reason_of(identity.status, conditions.READY)
        first = not reason and ready is not None and ready["status"] == "True"
        same = ready is not None and ready["reason"] == reason
        if ready is None or first or (same and _revisions(identity.status) == _revisions(status)):
            return
        self._events.record(
            Event(
                key=key,
                api_version=IDENTITY_KINDS[key.kind].resource.api_version,
                uid=identity.uid,
                type="Normal" if ready["status"] == "True" or ready["reason"] == Reason.SUSPENDED else "Warning",
                reason=ready["reason"],
                note=ready["message"],
                action="Reconcile",
            )
        )


def _revisions(status: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the counts of what was issued: JWTs and certificates."""
    return status.get("revision"), (status.get("certificate") or {}).get("revision")
