"""Every Hub there is: as the watch shows it, and what is held of it in memory."""

from collections.abc import Callable, Mapping
from typing import Any

from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.keys import Key
from iotsec.kube.namespaces import Namespaces
from iotsec.kube.object_record import ObjectRecord
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS


class HubRegistry:
    """Records and runtimes by key; what changes is queued."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        *,
        namespaces: Namespaces,
        mint: Callable[[HubRuntime], bytes],
        leads: Callable[[], bool],
    ) -> None:
        """Prepare; ``mint`` gives fresh credentials for a connection to a Hub's servers, where ``leads`` allows one."""
        self._queue = queue
        self._leads = leads
        self._namespaces = namespaces
        self._mint = mint
        self._records: dict[Key, ObjectRecord] = {}
        self._runtimes: dict[Key, HubRuntime] = {}
        self._former: list[HubRuntime] = []

    def runtime(self, namespace: str, name: str) -> HubRuntime | None:
        """Return what is held of a Hub that exists."""
        key = Key(HUBS.kind, namespace, name)
        return self._runtime(key) if key in self._records else None

    def record(self, key: Key) -> ObjectRecord | None:
        """Return a Hub as the watch showed it last."""
        return self._records.get(key)

    async def brought_up(self, key: Key) -> HubRuntime:
        """Return the runtime of a Hub that exists; those of earlier objects of its name are closed."""
        runtime = self._runtime(key)
        while self._former:
            await self._former.pop().close()
        return runtime

    async def drop(self, key: Key) -> None:
        """End what is held of a Hub."""
        if runtime := self._runtimes.pop(key, None):
            await runtime.close()

    def upsert(self, body: Mapping[str, Any]) -> None:
        """Take in a Hub as an event shows it."""
        metadata = body["metadata"]
        key = Key(HUBS.kind, metadata["namespace"], metadata["name"])
        before = self._records.get(key)
        if before and int(metadata["resourceVersion"]) <= int(before.metadata["resourceVersion"]):
            return
        told_at = before.told_at if before else float("-inf")
        self._records[key] = ObjectRecord(body, body.get("status") or {}, told_at)
        self._queue.add(key)

    def gone(self, namespace: str, name: str) -> None:
        """Take in that a Hub no longer exists."""
        key = Key(HUBS.kind, namespace, name)
        if self._records.pop(key, None) is not None:
            self._queue.add(key)

    def namespaces_changed(self) -> None:
        """Take in that namespaces have other labels: who was let in may be no more, or one at last."""
        for key, runtime in self._runtimes.items():
            of_bundle = runtime.tls.settings is not None and runtime.tls.settings.bundle is not None
            of_account = runtime.spec is not None and any(a.namespaces.selector for a in runtime.spec.accounts)
            of_network = runtime.spec is not None and runtime.spec.network is not None
            if of_bundle or of_account or of_network:
                self._queue.add(key)

    def secret_changed(self, namespace: str, name: str) -> None:
        """Take in that somebody touched a Secret of a Hub, or that one of a Hub that is gone was found."""
        key = Key(HUBS.kind, namespace, name)
        if runtime := self._runtimes.get(key):
            runtime.stale = True
        if runtime or key not in self._records:
            self._queue.add(key)

    def runtimes(self) -> tuple[HubRuntime, ...]:
        """Return what is held of every Hub that exists."""
        return tuple(runtime for key, runtime in self._runtimes.items() if key in self._records)

    async def close(self) -> None:
        """End every connection."""
        for runtime in (*self._runtimes.values(), *self._former):
            await runtime.close()

    def _runtime(self, key: Key) -> HubRuntime:
        """Return the runtime of the Hub there is now; another object of the same name had another."""
        uid = self._records[key].uid
        runtime = self._runtimes.get(key)
        if runtime is not None and runtime.uid != uid:
            self._former.append(runtime)
            runtime = None
        if runtime is None:
            runtime = HubRuntime(
                key,
                uid,
                namespaces=self._namespaces.labels,
                changed=lambda: self._queue.add(key),
                mint=self._mint,
                leads=self._leads,
            )
            self._runtimes[key] = runtime
        return runtime
