"""A Hub's status and events: told when they change, and counts alone not at every push."""

import asyncio
from collections.abc import Callable

import structlog

from iotsec.decide import hub as hub_decisions
from iotsec.decide.conditions import Condition, Reason
from iotsec.kube.client import Client
from iotsec.kube.events import EventRecorder
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.keys import Key
from iotsec.kube.object_record import ObjectRecord
from iotsec.kube.object_teller import ObjectTeller
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS

log = structlog.get_logger()

_FACTS_SECONDS = 5.0


class HubTeller:
    """Tells how Hubs stand."""

    def __init__(
        self, client: Client, queue: WorkQueue[Key], events: EventRecorder, *, clock: Callable[[], int]
    ) -> None:
        self._queue = queue
        self._teller = ObjectTeller(client, events, HUBS, expected={Reason.DELETING})
        self._clock = clock

    async def tell(self, record: ObjectRecord, runtime: HubRuntime, wanted: tuple[Condition, ...]) -> None:
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
        wait = _FACTS_SECONDS - (asyncio.get_running_loop().time() - record.told_at)
        if status.get("conditions") == record.status.get("conditions") and wait > 0:
            # Only counts and times moved, as with every push: told often, they would be a write for each.
            self._queue.add_after(key, wait)
            return
        news = await self._teller.tell(key, record, wanted, status)
        if news is not None:
            log.info("hub status", hub=str(key), reason=str(news.reason), message=news.message, action="status")
