"""Telling how an object of ours stands: its status, and an event where Ready's reason changed."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from iotsec.decide import conditions
from iotsec.decide.conditions import Condition, Reason
from iotsec.kube.client import Client
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.keys import Key
from iotsec.kube.object_record import ObjectRecord
from iotsec.kube.resources import Resource
from iotsec.kube.status_writer import write_status


class ObjectTeller:
    """Writes the statuses of objects of one kind, and posts their events."""

    def __init__(
        self, client: Client, events: EventRecorder, resource: Resource, *, expected: Collection[Reason] = ()
    ) -> None:
        """Prepare; ``expected`` are reasons of a ``Ready`` that is false and no cause for a warning."""
        self._client = client
        self._events = events
        self._resource = resource
        self._expected = expected

    async def tell(
        self, key: Key, record: ObjectRecord, wanted: Sequence[Condition], status: Mapping[str, Any]
    ) -> Condition | None:
        """Make the status so, which says what is ``wanted``; return ``Ready`` where its reason is another than before.

        Nothing is written of a status that is so already.
        """
        before, now = conditions.reason_of(record.status, conditions.READY), asyncio.get_running_loop().time()
        if not await write_status(
            self._client, self._resource, key.namespace, key.name, previous=record.status, wanted=status
        ):
            return None
        record.status, record.told_at = status, now
        ready = next((one for one in wanted if one.type == conditions.READY), None)
        if ready is None or str(ready.reason) == before:
            return None
        self._events.record(
            Event(
                key=key,
                api_version=self._resource.api_version,
                uid=record.uid,
                type="Normal" if ready.status == "True" or ready.reason in self._expected else "Warning",
                reason=ready.reason,
                note=ready.message,
                action="Reconcile",
            )
        )
        return ready
