"""A TLSPolicy's status and events: told when they change, and mere figures not at every step."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iotsec.decide import conditions
from iotsec.decide.conditions import Condition
from iotsec.decide.tls_status import TlsState, tls_status
from iotsec.kube.client import Client
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import TLS_POLICIES
from iotsec.kube.status_writer import write_status
from iotsec.kube.tls_policies import PolicyRecord

_FIGURES_SECONDS = 2.0


class TlsPolicyTeller:
    """Writes the status of TLSPolicies, and posts events where Ready's reason changes."""

    def __init__(
        self, client: Client, queue: WorkQueue[Key], events: EventRecorder, *, clock: Callable[[], int]
    ) -> None:
        self._client = client
        self._queue = queue
        self._events = events
        self._clock = clock

    async def tell(self, record: PolicyRecord, wanted: Sequence[Condition], state: TlsState | None = None) -> None:
        """Make the status say so; without a state, of a policy that is not carried out, the conditions alone."""
        key, now = record.key, asyncio.get_running_loop().time()
        before = record.status
        status = tls_status(
            before,
            wanted,
            generation=record.metadata["generation"],
            now=self._clock(),
            hub=record.hub.name,
            state=state,
        )
        wait = _FIGURES_SECONDS - (now - record.told_at)
        if _standing(status) == _standing(before) and wait > 0:
            if status != before:
                self._queue.add_after(record.hub, wait)
            return
        if not await write_status(self._client, TLS_POLICIES, key.namespace, key.name, previous=before, wanted=status):
            return
        record.status, record.told_at = status, now
        ready = next((one for one in wanted if one.type == conditions.READY), None)
        if ready is not None and str(ready.reason) != conditions.reason_of(before, conditions.READY):
            self._post(record, ready)

    def _post(self, record: PolicyRecord, ready: Condition) -> None:
        self._events.record(
            Event(
                key=record.key,
                api_version=TLS_POLICIES.api_version,
                uid=record.uid,
                type="Normal" if ready.status == "True" else "Warning",
                reason=ready.reason,
                note=ready.message,
                action="Reconcile",
            )
        )


def _standing(status: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return what conditions say but for their messages, which count what changes all the time."""
    told = status.get("conditions") or ()
    return [(one["type"], one["status"], one["reason"], one["observedGeneration"]) for one in told]
