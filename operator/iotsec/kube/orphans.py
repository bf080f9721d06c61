"""The worker for Secrets whose identity may be gone: what they hold is revoked before they go."""

from collections.abc import Callable

import structlog

from iotsec.decide import names
from iotsec.decide.ending import plan_orphan
from iotsec.decide.secrets import SecretFacts
from iotsec.kube.client import Client
from iotsec.kube.errors import NotFoundError
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.queue import WorkQueue
from iotsec.kube.revoking import ask_to_revoke
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter

log = structlog.get_logger()

_OF_IDENTITIES = (names.CREDENTIALS, names.CERTIFICATE)


class Orphans:
    """Cuts off what was left by identities that went without a word to us."""

    def __init__(
        self,
        *,
        client: Client,
        queue: WorkQueue[Key],
        cache: IdentityCache,
        secrets: SecretCache,
        writer: SecretWriter,
        hubs: HubRegistry,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._queue = queue
        self._cache = cache
        self._secrets = secrets
        self._writer = writer
        self._hubs = hubs
        self._clock = clock

    async def reconcile(self, key: Key) -> None:
        """Look at one Secret."""
        facts = self._secrets.get(key.namespace, key.name)
        if facts is None or (facts.note is None and facts.component not in _OF_IDENTITIES):
            return
        if await self._has_owner(facts):
            return
        namespace, _, name = facts.hub.partition("/")
        hub = self._hubs.runtime(namespace, name)
        if hub is not None and hub.view is None:
            hub.waiting.add(key)  # it has keys, and cannot sign with them yet
            return
        plan = plan_orphan(facts, hub.view if hub else None, now=self._clock())
        if hub is not None and (plan.revoke or plan.revoke_certificates):
            ask_to_revoke(self._queue, hub, key, plan.revoke, plan.revoke_certificates)
        for secret in plan.drop:
            await self._writer.let_go(secret)
            log.info("orphan cut off", object=str(key), hub=facts.hub, action=plan.action)
            if facts.owner is not None:  # a later object of its owner's name may wait for the Secret's
                self._queue.add(Key(facts.owner.kind, facts.namespace, facts.owner.name))

    async def _has_owner(self, facts: SecretFacts) -> bool:
        """Tell whether the identity is there, and have it looked at."""
        if facts.owner is None:
            return False
        if facts.owner.kind not in IDENTITY_KINDS:
            return True
        owner = Key(facts.owner.kind, facts.namespace, facts.owner.name)
        record = self._cache.get(owner)
        if record is not None and record.uid == facts.owner.uid:
            self._queue.add(owner)
            return True
        try:
            found = await self._client.get_metadata(IDENTITY_KINDS[owner.kind].resource, owner.namespace, owner.name)
        except NotFoundError:
            return False
        # If it is the very one, the watch of the identities is a little behind: it will tell.
        return bool(found["metadata"]["uid"] == facts.owner.uid)
