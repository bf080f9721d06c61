"""What the watches tell, and who has to look at it."""

from collections.abc import Callable, Mapping
from typing import Any

from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS, SECRETS
from iotsec.kube.secret_cache import SecretCache


class Intake:
    """Keeps the caches told, and queues whom a change concerns; Hubs do the same for themselves."""

    def __init__(
        self,
        *,
        queue: WorkQueue[Key],
        cache: IdentityCache,
        secrets: SecretCache,
        hubs: HubRegistry,
        changed: Callable[[Key], None],
    ) -> None:
        """Prepare; ``changed`` is called with an identity that came, changed or is gone."""
        self._queue = queue
        self._cache = cache
        self._secrets = secrets
        self._hubs = hubs
        self._changed = changed
        self._opened = False

    def open(self) -> None:
        """Take note that everything there was has been told: what belongs together can be judged from now on."""
        self._opened = True
        for facts in self._secrets:
            self._check_owner(facts.namespace, facts.name)

    def identity(self, kind: str, item: Mapping[str, Any]) -> None:
        """Take in an identity as the watch shows it."""
        metadata = item["metadata"]
        before = self._cache.get(Key(kind, metadata["namespace"], metadata["name"]))
        key, work, concerned = self._cache.upsert(kind, item)
        if work:
            self._queue.add(key)
            self._changed(key)
        for other in concerned:
            self._queue.add(other)
        if before is not None and before.uid != metadata["uid"]:
            self._look_after(key, before.uid)

    def identity_gone(self, key: Key) -> None:
        """Take in that an identity no longer exists."""
        record = self._cache.get(key)
        for other in self._cache.remove(key):
            self._queue.add(other)
        if record is not None:
            self._look_after(key, record.uid)
            self._queue.add(key)
            self._changed(key)

    def relabelled(self, namespace: str) -> None:
        """Look again at whom the labels of a namespace let in or keep out."""
        if not self._opened:
            return  # nobody has looked at anything yet
        for key in self._cache.touched_by_namespace(namespace):
            self._queue.add(key)
        self._hubs.namespaces_changed()

    def _look_after(self, key: Key, uid: str) -> None:
        """Have somebody look at the Secrets of an identity that is gone, or that another took the name of."""
        for facts in self._secrets.owned_by(key.namespace, uid):
            self._check_owner(facts.namespace, facts.name)

    def secret(self, item: Mapping[str, Any]) -> None:
        """Take in a Secret of ours as the watch shows it."""
        facts = self._secrets.upsert(item)
        if facts is not None and self._opened and (facts.suspect or facts.deleting):
            self._check_owner(facts.namespace, facts.name)

    def secret_gone(self, namespace: str, name: str) -> None:
        """Take in that a Secret no longer exists."""
        facts = self._secrets.remove(namespace, name)
        if facts is None or facts.owner is None or not self._opened:
            return
        if facts.owner.kind == HUBS.kind:
            self._hubs.secret_changed(namespace, facts.owner.name)
        else:
            self._queue.add(Key(facts.owner.kind, namespace, facts.owner.name))

    def _check_owner(self, namespace: str, name: str) -> None:
        """Have somebody look at a Secret: its Hub, its identity, or, where that is gone, we."""
        facts = self._secrets.get(namespace, name)
        if facts is None:
            return
        if facts.owner is None:
            self._queue.add(Key(SECRETS.kind, namespace, name))
            return
        if facts.owner.kind == HUBS.kind:
            self._hubs.secret_changed(namespace, facts.owner.name)
            return
        owner = Key(facts.owner.kind, namespace, facts.owner.name)
        record = self._cache.get(owner)
        if record is not None and record.uid == facts.owner.uid:
            self._queue.add(owner)
        else:
            self._queue.add(Key(SECRETS.kind, namespace, name))
