"""Every TLSPolicy as the watch showed it, and which of them counts for a Hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iotsec.api.tls_policy import TLSPolicy
from iotsec.decide.names import ROTATE, ROTATE_CA
from iotsec.decide.occasion import as_told
from iotsec.kube.keys import Key
from iotsec.kube.object_record import ObjectRecord
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS, TLS_POLICIES


@dataclass(slots=True)
class PolicyRecord(ObjectRecord):
    """A TLSPolicy as the watch showed it last."""

    @property
    def key(self) -> Key:
        """Its name, as the queue has it."""
        return Key(TLS_POLICIES.kind, self.metadata["namespace"], self.metadata["name"])

    @property
    def version(self) -> tuple[str, int]:
        """The object's uid and the generation of its spec."""
        return self.uid, int(self.metadata["generation"])

    @property
    def hub(self) -> Key:
        """The Hub that it is for."""
        reference = (self.body.get("spec") or {}).get("hubRef") or {}
        return Key(HUBS.kind, self.metadata["namespace"], str(reference.get("name", "")))

    @property
    def rotate_ca(self) -> str:
        """The token that asks for another CA."""
        return self._asked(ROTATE_CA)

    @property
    def rotate(self) -> str:
        """The token that asks for other certificates of the servers."""
        return self._asked(ROTATE)

    def policy(self) -> TLSPolicy:
        """Return the policy.

        Raises:
            SpecError: it is not a valid one.

        """
        return TLSPolicy.parse(self.body)

    def _asked(self, annotation: str) -> str:
        return as_told(self.annotations.get(annotation, ""))


class TlsPolicies:
    """All TLSPolicies; what changes is queued, with its Hub."""

    def __init__(self, queue: WorkQueue[Key]) -> None:
        self._queue = queue
        self._records: dict[Key, PolicyRecord] = {}

    def upsert(self, body: Mapping[str, Any]) -> None:
        """Take in a policy as an event shows it."""
        metadata = body["metadata"]
        key = Key(TLS_POLICIES.kind, metadata["namespace"], metadata["name"])
        before = self._records.get(key)
        if before and int(metadata["resourceVersion"]) <= int(before.metadata["resourceVersion"]):
            return
        record = PolicyRecord(body, body.get("status") or {}, before.told_at if before else float("-inf"))
        self._records[key] = record
        if before is None or before.hub != record.hub:
            self._queue_all(record.hub)
        if before is not None and before.hub != record.hub:
            self._queue_all(before.hub)
        if before is None or _says(before) != _says(record) or before.status != record.status:
            self._queue.add(key)
            self._queue.add(record.hub)

    def gone(self, namespace: str, name: str) -> None:
        """Take in that a policy no longer exists."""
        record = self._records.pop(Key(TLS_POLICIES.kind, namespace, name), None)
        if record is not None:
            self._queue_all(record.hub)

    def record(self, key: Key) -> PolicyRecord | None:
        """Return a policy as the watch showed it last."""
        return self._records.get(key)

    def of(self, hub: Key) -> PolicyRecord | None:
        """Return the policy that counts for a Hub: of several the one that was there first."""
        return min(
            (one for one in self._records.values() if one.hub == hub and not one.ending),
            # Creation is told in whole seconds: of two of the same second the one counts that is carried out already.
            key=lambda one: (one.metadata.get("creationTimestamp", ""), not one.status.get("authorities"), one.uid),
            default=None,
        )

    def _queue_all(self, hub: Key) -> None:
        """Have everybody look again who is concerned by how many policies a Hub has."""
        self._queue.add(hub)
        for record in self._records.values():
            if record.hub == hub:
                self._queue.add(record.key)


def _says(record: PolicyRecord) -> tuple[object, ...]:
    """Return what a policy asks for: an event that shows the same is the echo of what was written of it."""
    return record.uid, record.metadata.get("generation"), record.annotations, record.ending
