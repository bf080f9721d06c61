"""The worker for identities: gather, decide, carry out. The same for every kind."""

from collections.abc import Callable
from functools import partial

import structlog

from iotsec.decide.grant import account_of
from iotsec.decide.identity import Plan, SecretWrite, plan_identity, plan_write_refused, secret_name
from iotsec.decide.obstacle import belongs_to, obstacle_of
from iotsec.decide.pacing import RESERVE_SECONDS
from iotsec.decide.secrets import Owner, SecretFacts, facts_of
from iotsec.decide.views import Contents, Declared, HubView, Identity, Observed, Obstacle
from iotsec.kube.client import Client
from iotsec.kube.errors import AlreadyExistsError, ApiError, NotFoundError
from iotsec.kube.finalizers import add_finalizer, remove_finalizer
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache, Record
from iotsec.kube.identity_reporter import IdentityReporter
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.pacing import paid
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import SECRETS
from iotsec.kube.revoking import ask_to_revoke
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter
from iotsec.kube.turns import Turns
from iotsec.kube.workloads import Workloads

log = structlog.get_logger()

_CONFLICT_SECONDS = (1.0, 60.0)
"""How long to wait at first, and at most, before looking again at somebody else's Secret in our way."""
_REFUSED = {403, 422}
_PACED_WRITES = 2
"""Of work that waits for its turn: the Secret and the status."""


class Identities:
    """Brings identities in order, one at a time by key."""

    def __init__(
        self,
        *,
        client: Client,
        queue: WorkQueue[Key],
        cache: IdentityCache,
        secrets: SecretCache,
        writer: SecretWriter,
        hubs: HubRegistry,
        reporter: IdentityReporter,
        workloads: Workloads,
        turns: Turns,
        clock: Callable[[], int],
        entropy: Callable[[], bytes],
    ) -> None:
        self._client = client
        self._queue = queue
        self._cache = cache
        self._secrets = secrets
        self._writer = writer
        self._hubs = hubs
        self._reporter = reporter
        self._workloads = workloads
        self._turns = turns
        self._clock = clock
        self._entropy = entropy
        self._conflicts: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> None:
        """Bring one identity in order."""
        record, identity = self._cache.get(key), self._cache.identity(key)
        if record is None or identity is None:
            self._reporter.forget(key)
            self._turns.forget(key)
            self._conflicts.pop(key, None)
            return
        hub = self._hubs.runtime(*record.hub)
        if hub is not None and hub.view is None:
            hub.waiting.add(key)
            if not hub.trouble:
                return  # the Hub is being brought up, and wakes whom it has
        plan = await self._plan(key, identity, hub)
        if plan is not None and plan.deadline is not None and plan.deadline - self._clock() > RESERVE_SECONDS:
            with paid(_PACED_WRITES):
                await self._carry_out(key, identity, record, hub, plan)
        elif plan is not None:
            await self._carry_out(key, identity, record, hub, plan)

    async def _plan(self, key: Key, identity: Declared, hub: HubRuntime | None) -> Plan | None:
        view = hub.view if hub else None
        obstacle = await self._obstacle(key, identity, view)
        contents: Contents | None = None
        has_turn = False
        for _ in range(2):
            observed = Observed(
                secrets=self._secrets.owned_by(key.namespace, identity.uid),
                contents=contents,
                obstacle=obstacle,
                hub_trouble=hub.trouble if hub else "",
                id_rival=self._cache.id_rival(key, partial(_account_of, view)),
                key_rival=self._cache.key_rival(key, partial(_account_of, view)),
            )
            plan = plan_identity(identity, view, observed, now=self._clock(), entropy=self._entropy)
            if plan.deadline is None:
                self._turns.forget(key)  # a turn that is not needed now must not be saved up for later
            elif not has_turn:
                has_turn = self._turns.take(key, plan.deadline, _PACED_WRITES)
                if not has_turn:
                    if hub is not None and plan.revoke:
                        ask_to_revoke(self._queue, hub, key, plan.revoke)
                    return None
            if plan.read_secret is None:
                if contents is not None and plan.write is None:
                    self._trust(observed.secrets, contents)
                return plan
            secret = await self._writer.read(key.namespace, plan.read_secret.name)
            if secret is None or secret["metadata"]["uid"] != plan.read_secret.uid:
                self._secrets.remove(key.namespace, plan.read_secret.name, uid=plan.read_secret.uid)
                self._queue.add(key)
                return None
            if secret["metadata"]["resourceVersion"] != plan.read_secret.resource_version:
                self._secrets.upsert(secret)
            contents = Contents(secret)
        raise RuntimeError("a Secret was read and its contents were asked for again")

    def _trust(self, secrets: tuple[SecretFacts, ...], contents: Contents) -> None:
        """Take note that the Secret that was read is as it should be."""
        uid = contents.secret["metadata"]["uid"]
        for facts in secrets:
            if facts.uid == uid:
                self._secrets.trust(facts)

    async def _carry_out(
        self, key: Key, identity: Declared, record: Record, hub: HubRuntime | None, plan: Plan
    ) -> None:
        resource = IDENTITY_KINDS[key.kind].resource
        if plan.add_finalizer:
            await add_finalizer(self._client, resource, key.namespace, key.name)
            record.finalized = True
        replaced = None
        if plan.write is not None:
            name = plan.write.manifest.name
            replaced = next((facts for facts in plan.drop if facts.name == name), None)
            await self._write(key, identity, hub, plan.write, replaced)
        for facts in plan.drop:
            if facts is not replaced:
                # A Secret whose identity is going is deleted with it, by the garbage collector.
                await self._writer.let_go(facts, delete=not plan.release)
        if hub is not None and plan.revoke:
            ask_to_revoke(self._queue, hub, key, plan.revoke)
            record.asked = True
        elif hub is not None and not plan.settled:
            hub.waiting.add(key)
        if plan.release:
            await remove_finalizer(self._client, resource, key.namespace, key.name, uid=identity.uid)
        else:
            plan = await self._workloads.restart(key, identity, plan)
            await self._reporter.tell(key, identity, plan, hub)
        if plan.due is not None:
            self._queue.add_after(key, plan.due - self._clock())
        if plan.action:
            account = (plan.status or {}).get("account", "")
            log.info("identity", object=str(key), hub="/".join(record.hub), account=account, action=plan.action)

    async def _write(
        self, key: Key, identity: Declared, hub: HubRuntime | None, write: SecretWrite, deleted: SecretFacts | None
    ) -> None:
        """Write the Secret.

        Raises:
            ConflictError: something else stands there, or it changed since; look again.
            ApiError: it cannot be written now.

        """
        try:
            if deleted is not None:
                await self._writer.replace_deleted(write.manifest, deleted)
            else:
                await self._writer.write(write.manifest, write.replaces)
        except AlreadyExistsError:
            await self._find_out(key, identity, hub, write.manifest.name)
            raise
        except ApiError as error:
            if error.code in _REFUSED:
                refused = plan_write_refused(identity, str(error), now=self._clock())
                await self._reporter.tell(key, identity, refused, hub)
            raise

    async def _find_out(self, key: Key, identity: Declared, hub: HubRuntime | None, name: str) -> None:
        """See whose Secret has the name: ours, which lost its label or which the watch has not shown, or somebody's."""
        secret = await self._writer.read(key.namespace, name)
        if secret is None:
            return
        facts = facts_of(secret["metadata"])
        if belongs_to(facts, identity, hub.view if hub else None):
            self._secrets.adopt(secret, Owner(identity.kind, identity.name, identity.uid))
        else:
            self._conflicts[key] = 0.0
            self._queue.add(Key(SECRETS.kind, key.namespace, name))  # it may be an orphan

    async def _obstacle(self, key: Key, identity: Declared, view: HubView | None) -> Obstacle | None:
        """Look again at a Secret that stood in our way; nobody tells us of it."""
        if key not in self._conflicts or not isinstance(identity, Identity):
            return None
        obstacle = None
        try:
            found = await self._client.get_metadata(SECRETS, key.namespace, secret_name(identity))
            obstacle = obstacle_of(facts_of(found["metadata"]), identity, view)
        except NotFoundError:
            pass
        if obstacle is None:
            del self._conflicts[key]
            return None
        first, last = _CONFLICT_SECONDS
        self._conflicts[key] = wait = min(last, max(first, 2 * self._conflicts[key]))
        self._queue.add_after(key, wait)
        return obstacle


def _account_of(view: HubView | None, key: Key, record: Record) -> str | None:
    return account_of(view, key.namespace, record.account, record.holds_account) if view is not None else None
