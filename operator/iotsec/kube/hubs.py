"""The worker for Hubs: keys and configuration first, then the servers, then the status."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from iotsec.api.hub import Hub, parse_hub
from iotsec.api.model import SpecError
from iotsec.broker.connection import UnavailableError
from iotsec.decide import conditions, names
from iotsec.decide import hub as hub_decisions
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.secrets import Owner
from iotsec.decide.trust import TrustDamagedError
from iotsec.kube.accounts import AccountPusher
from iotsec.kube.client import Client
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.finalizers import add_finalizer, remove_finalizer
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secrets import HubSecrets, SecretTakenError, TrustMissingError
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS
from iotsec.kube.status_writer import write_status

log = structlog.get_logger()

VERIFY_SECONDS = 20.0
_RETRY_SECONDS = 1.0
_CONFLICT_SECONDS = 30.0
_FACTS_SECONDS = 5.0


@dataclass(slots=True)
class HubRecord:
    """A Hub as the watch showed it last."""

    body: Mapping[str, Any]
    status: Mapping[str, Any]
    told_at: float = float("-inf")


class Hubs:
    """Every Hub: its record, its runtime, and the work on it."""

    def __init__(
        self,
        *,
        client: Client,
        queue: WorkQueue[Key],
        identities: IdentityCache,
        secrets: HubSecrets,
        pusher: AccountPusher,
        events: EventRecorder,
        mint: Callable[[HubRuntime], bytes],
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._queue = queue
        self._identities = identities
        self._secrets = secrets
        self._pusher = pusher
        self._events = events
        self._mint = mint
        self._clock = clock
        self._records: dict[Key, HubRecord] = {}
        self._runtimes: dict[Key, HubRuntime] = {}

    def runtime(self, namespace: str, name: str) -> HubRuntime | None:
        """Return what is held of a Hub that exists."""
        key = Key(HUBS.kind, namespace, name)
        return self._runtime(key) if key in self._records else None

    def runtimes(self) -> tuple[HubRuntime, ...]:
        """Return all Hubs' runtimes."""
        return tuple(self._runtimes.values())

    def upsert(self, body: Mapping[str, Any]) -> None:
        """Take in a Hub as an event shows it."""
        metadata = body["metadata"]
        key = Key(HUBS.kind, metadata["namespace"], metadata["name"])
        before = self._records.get(key)
        if before and int(metadata["resourceVersion"]) <= int(before.body["metadata"]["resourceVersion"]):
            return
        told_at = before.told_at if before else float("-inf")
        self._records[key] = HubRecord(body, body.get("status") or {}, told_at)
        self._queue.add(key)

    def gone(self, namespace: str, name: str) -> None:
        """Take in that a Hub no longer exists."""
        key = Key(HUBS.kind, namespace, name)
        if self._records.pop(key, None) is not None:
            self._queue.add(key)

    def secret_changed(self, namespace: str, name: str) -> None:
        """Take in that somebody touched a Secret of a Hub."""
        key = Key(HUBS.kind, namespace, name)
        if runtime := self._runtimes.get(key):
            runtime.stale = True
            self._queue.add(key)

    async def close(self) -> None:
        """End every connection."""
        for runtime in self._runtimes.values():
            await runtime.close()

    async def reconcile(self, key: Key) -> None:
        """Bring one Hub in order."""
        record = self._records.get(key)
        if record is None:
            await self._forget(key)
            return
        runtime = self._runtime(key)
        try:
            hub = parse_hub(record.body)
            await self._bring_up(record, hub, runtime)
        except SpecError as error:
            await self._stall(record, runtime, conditions.stalled(Reason.INVALID_SPEC, str(error)))
        except TrustMissingError as error:
            await self._stall(record, runtime, hub_decisions.trust_lost(str(error)))
        except TrustDamagedError as error:
            await self._stall(record, runtime, conditions.stalled(Reason.TRUST_LOST, str(error)))
        except SecretTakenError as error:
            await self._stall(record, runtime, conditions.stalled(Reason.SECRET_CONFLICT, str(error)))
        else:
            await self._serve(record, hub, runtime)

    async def _bring_up(self, record: HubRecord, hub: Hub, runtime: HubRuntime) -> None:
        """See that the Hub has its finalizer, its Secrets and its connection."""
        key = runtime.key
        if hub.metadata.deletion_timestamp is None and names.FINALIZER not in hub.metadata.finalizers:
            await add_finalizer(self._client, HUBS, key.namespace, key.name)
        respecified = runtime.generation != hub.metadata.generation
        runtime.spec = hub.spec
        if runtime.stale or respecified:
            had_keys = bool(record.status.get("operatorPublicKey"))
            await self._secrets.bring_up(runtime, _owner(hub), had_keys=had_keys, now=self._clock())
            runtime.generation, runtime.stale, runtime.trouble = hub.metadata.generation, False, ""
        runtime.connect()

    async def _serve(self, record: HubRecord, hub: Hub, runtime: HubRuntime) -> None:
        """Tell the servers, the identities and the user how things stand."""
        key = runtime.key
        if record.status.get("operatorPublicKey") is None:
            # The servers may not exist yet, and cannot start before they have read what was just written.
            await self._tell(record, runtime, self._conditions(runtime))
        if not runtime.connection.tried:
            return  # nothing is known yet; how the attempt ends brings us back
        users: list[str] = []
        if hub.metadata.deletion_timestamp is not None:
            users = [f"{k.kind} {k.namespace}/{k.name}" for k in self._identities.of_hub((key.namespace, key.name))]
            if not users:
                await self._retire(record, hub, runtime)
                return
            self._queue.add_after(key, _RETRY_SECONDS)
        await self._distribute(runtime, _owner(hub))
        self._wake(runtime)
        await self._tell(record, runtime, hub_decisions.in_use(users) if users else self._conditions(runtime))

    def _runtime(self, key: Key) -> HubRuntime:
        if key not in self._runtimes:
            self._runtimes[key] = HubRuntime(key, changed=lambda: self._queue.add(key), mint=self._mint)
        return self._runtimes[key]

    async def _stall(self, record: HubRecord, runtime: HubRuntime, wanted: tuple[Condition, ...]) -> None:
        """Tell that a Hub needs somebody's help, its identities too; Secrets may be mended without a word to us."""
        await self._tell(record, runtime, wanted)
        trouble = f"its Hub needs help: {wanted[0].message}"
        if runtime.view is None and runtime.trouble != trouble:
            runtime.trouble = trouble
            self._wake(runtime)
        self._queue.add_after(runtime.key, _CONFLICT_SECONDS)

    async def _distribute(self, runtime: HubRuntime, owner: Owner) -> None:
        try:
            arrived = await self._pusher.distribute(runtime, owner)
            self._queue.add_after(runtime.key, VERIFY_SECONDS if arrived else _RETRY_SECONDS)
        except UnavailableError as error:
            log.debug("servers not available", hub=str(runtime.key), error=str(error))
            self._queue.add_after(runtime.key, _RETRY_SECONDS)

    def _conditions(self, runtime: HubRuntime) -> tuple[Condition, ...]:
        return hub_decisions.hub_conditions(runtime.key.name, runtime.state())

    def _wake(self, runtime: HubRuntime) -> None:
        """Look again at whom a change here concerns: all of its identities where the spec changed, else who waits."""
        before = runtime.view
        changed = runtime.refresh_view()
        if runtime.view is None or (changed and (before is None or before.spec != runtime.view.spec)):
            runtime.waiting.update(self._identities.of_hub((runtime.key.namespace, runtime.key.name)))
        if changed or runtime.view is None:
            for identity in runtime.waiting:
                self._queue.add(identity)
            runtime.waiting.clear()

    async def _retire(self, record: HubRecord, hub: Hub, runtime: HubRuntime) -> None:
        """Nobody uses it: let its accounts end on the servers, then its Secrets, then the object."""
        key = runtime.key
        was_live = bool(record.status.get("servers"))
        if was_live and names.FORCE_DELETE not in hub.metadata.annotations:
            try:
                await self._pusher.retire(runtime)
            except UnavailableError as error:
                message = (
                    f"its accounts cannot be retired: {error}. To delete the Hub all the same, "
                    f"annotate it {names.FORCE_DELETE}=true"
                )
                await self._tell(record, runtime, conditions.waiting(Reason.NATS_UNAVAILABLE, message))
                self._queue.add_after(key, _RETRY_SECONDS)
                return
        await runtime.close()
        await self._secrets.let_go(runtime, hub.metadata.uid)
        await remove_finalizer(self._client, HUBS, key.namespace, key.name)
        log.info("hub deleted", hub=str(key), action="delete")

    async def _forget(self, key: Key) -> None:
        runtime = self._runtimes.pop(key, None)
        if runtime is None:
            return
        await runtime.close()
        for identity in self._identities.of_hub((key.namespace, key.name)):
            self._queue.add(identity)

    async def _tell(self, record: HubRecord, runtime: HubRuntime, wanted: tuple[Condition, ...]) -> None:
        key, metadata = runtime.key, record.body["metadata"]
        status = hub_decisions.hub_status(
            record.status,
            wanted,
            generation=metadata["generation"],
            now=self._clock(),
            hub=key.name,
            state=runtime.state() if runtime.trust else None,
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
            self._events.record(
                Event(
                    key=key,
                    api_version=HUBS.api_version,
                    uid=metadata["uid"],
                    type="Normal" if ready.status == "True" else "Warning",
                    reason=ready.reason,
                    note=ready.message,
                    action="Reconcile",
                )
            )


def _owner(hub: Hub) -> Owner:
    return Owner(HUBS.kind, hub.metadata.name, hub.metadata.uid)
