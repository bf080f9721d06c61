"""Kubernetes Events: on transitions, and not the same one twice within an hour."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from iotsec.decide.conditions import Reason
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError
from iotsec.kube.keys import Key
from iotsec.kube.pacing import Pacer, paid
from iotsec.kube.resources import EVENTS

log = structlog.get_logger()

_REPEAT_SECONDS = 3600.0
_REMEMBERED = 10_000
_WAITING = 1000
_PATIENCE_SECONDS = 120.0  # what is told can wait for what is done, a little


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object."""

    key: Key
    api_version: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: Reason | str
    note: str
    action: str


class EventRecorder:
    """Posts events in the background; one that cannot be posted is dropped, as client-go does."""

    def __init__(self, client: Client, pacer: Pacer, *, instance: str) -> None:
        self._client = client
        self._pacer = pacer
        self._instance = instance
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_WAITING)
        self._told: dict[tuple[str, str, str], float] = {}

    def record(self, event: Event) -> None:
        """Note an event for posting, unless the very same was told within the hour."""
        now = asyncio.get_running_loop().time()
        identifier = (event.uid, str(event.reason), event.note)
        if now - self._told.get(identifier, float("-inf")) < _REPEAT_SECONDS or self._queue.full():
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[identifier] = now
        self._queue.put_nowait(event)

    async def run(self) -> None:
        """Post what is noted, for ever."""
        while True:
            event = await self._queue.get()
            now = datetime.now(UTC)  # noqa: TID251 - the shell's clock
            await self._pacer.turn(now.timestamp() + _PATIENCE_SECONDS)
            try:
                with paid(1):
                    await self._client.create(EVENTS, event.key.namespace, self._body(event, now))
            except ApiError as error:
                log.debug("event not posted", object=str(event.key), error=str(error))

    def _body(self, event: Event, now: datetime) -> dict[str, Any]:
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"generateName": f"{event.key.name[:200].rstrip('.')}-", "namespace": event.key.namespace},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "iotsec.dev/operator",
            "reportingInstance": self._instance,
            "type": event.type,
            "reason": str(event.reason),
            "note": event.note[:1000],
            "action": event.action,
            "regarding": {
                "apiVersion": event.api_version,
                "kind": event.key.kind,
                "namespace": event.key.namespace,
                "name": event.key.name,
                "uid": event.uid,
            },
        }
