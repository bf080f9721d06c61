"""A Hub's status and events: told when they change, and counts alone not at every push."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from iotsec.decide import conditions
from iotsec.decide import hub as hub_decisions
from iotsec.decide.conditions import Condition, Reason
from iotsec.kube.client import Client
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS
from iotsec.kube.status_writer import write_status

log = structlog.get_logger()

_FACTS_SECONDS = 5.0


@dataclass(slots=True)
class HubRecord:
    """A Hub as the watch showed it last."""

    body: Mapping[str, Any]
    status: Mapping[str, Any]
    told_at: float = float("-inf")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's metadata."""
        found: Mapping[str, Any] = self.body["metadata"]
        return found

    @property
    def annotations(self) -> Mapping[str, str]:
        """The object's annotations."""
        found: Mapping[str, str] = self.metadata.get("annotations") or {}
        return found

    @property
    def uid(self) -> str:
        """The object's uid."""
        return str(self.metadata["uid"])

    @property
    def ending(self) -> bool:
        """Somebody asked for its deletion."""
        return "deletionTimestamp" in self.metadata


class HubTeller:
    """Writes the status of Hubs, and posts events where Ready's reason changes."""

    def __init__(
        self, client: Client, queue: WorkQueue[Key], events: EventRecorder, *, clock: Callable[[], int]
    ) -> None:
        self._client = client
        self._queue = queue
        self._events = events
        self._clock = clock

    async def tell(self, record: HubRecord, runtime: HubRuntime, wanted: tuple[Condition, ...]) -> None:
        """Make the status say so."""
        key = runtime.key
        status = hub_decisions.hub_status(
            record.status,
            wanted,
            generation=record.metadata["generation"],
            now=self._clock(),
            hub=key.name,
            state=runtime.state() if runtime.root else None,
        )
        before = conditions.reason_of(record.status, conditions.READY)
        now = asyncio.get_running_loop().time()
        if status.get("conditions") == record.status.get("conditions") and now - record.told_at < _FACTS_SECONDS:
            # Only counts and times moved, as with every push: told often, they would be a write for each.
            self._queue.add_after(key, _FACTS_SECONDS - (now - record.told_at))
            return
        if not await write_status(self._client, HUBS, key.namespace, key.name, previous=record.status, wanted=status):
            return
        record.status, record.told_at = status, now
        ready = next((c for c in wanted if c.type == conditions.READY), None)
        if ready is not None and str(ready.reason) != before:
            log.info("hub status", hub=str(key), reason=str(ready.reason), message=ready.message, action="status")
            self._post(record, key, ready)

    def _post(self, record: HubRecord, key: Key, ready: Condition) -> None:
        expected = ready.status == "True" or ready.reason == Reason.DELETING
        self._events.record(
            Event(
                key=key,
                api_version=HUBS.api_version,
                uid=record.uid,
                type="Normal" if expected else "Warning",
                reason=ready.reason,
                note=ready.message,
                action="Reconcile",
            )
        )
