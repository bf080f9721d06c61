"""A TLSPolicy's status and events: told when they change, and mere figures not at every step."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iotsec.decide.conditions import Condition
from iotsec.decide.tls_status import TlsState, tls_status
from iotsec.kube.client import Client
from iotsec.kube.events import EventRecorder
from iotsec.kube.keys import Key
from iotsec.kube.object_teller import ObjectTeller
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import TLS_POLICIES
from iotsec.kube.tls_policies import PolicyRecord

_FIGURES_SECONDS = 2.0


class TlsPolicyTeller:
    """Tells how TLSPolicies stand."""

    def __init__(
        self, client: Client, queue: WorkQueue[Key], events: EventRecorder, *, clock: Callable[[], int]
    ) -> None:
        self._queue = queue
        self._teller = ObjectTeller(client, events, TLS_POLICIES)
        self._clock = clock

    async def tell(self, record: PolicyRecord, wanted: Sequence[Condition], state: TlsState | None = None) -> None:
        """Make the status say so; without a state, of a policy that is not carried out, the conditions alone."""
        status = tls_status(
            record.status,
            wanted,
            generation=record.metadata["generation"],
            now=self._clock(),
            hub=record.hub.name,
            state=state,
        )
        wait = _FIGURES_SECONDS - (asyncio.get_running_loop().time() - record.told_at)
        if _standing(status) == _standing(record.status) and wait > 0:
            if status != record.status:
                self._queue.add_after(record.hub, wait)
            return
        await self._teller.tell(record.key, record, wanted, status)


def _standing(status: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return what conditions say but for their messages, which count what changes all the time."""
    told = status.get("conditions") or ()
    return [(one["type"], one["status"], one["reason"], one["observedGeneration"]) for one in told]
