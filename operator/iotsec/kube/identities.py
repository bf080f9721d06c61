"""The worker for identities: gather, decide, carry out. The same for every kind."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from iotsec.decide import identity_secrets
from iotsec.decide.grant import account_of
from iotsec.decide.identity import plan_identity, plan_write_refused
from iotsec.decide.obstacle import belongs_to
from iotsec.decide.pacing import RESERVE_SECONDS
from iotsec.decide.plan import Plan
from iotsec.decide.secrets import Owner, SecretFacts, SecretWrite, facts_of
from iotsec.decide.views import Contents, Declared, HubView, Identity, Observed
from iotsec.kube.certificate_requests import CertificateOrders, OrderKey
from iotsec.kube.client import Client
from iotsec.kube.errors import AlreadyExistsError, ApiError
from iotsec.kube.finalizers import add_finalizer, remove_finalizer
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache, Record
from iotsec.kube.identity_reporter import IdentityReporter
from iotsec.kube.key_maker import KeyMaker, KeyNotMadeError
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.networks import Networks
from iotsec.kube.obstacles import Obstacles
from iotsec.kube.pacing import paid
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import SECRETS
from iotsec.kube.revoking import ask_to_revoke
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter
from iotsec.kube.turns import Turns
from iotsec.kube.workloads import Workloads

log = structlog.get_logger()

_REFUSED = {403, 422}
_LOOKS = 5
"""A plan asks at most for its creds Secret, for its certificate Secret, for its turn, and for a key."""


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
        orders: CertificateOrders,
        networks: Networks,
        clock: Callable[[], int],
        entropy: Callable[[], bytes],
        keys: KeyMaker,
    ) -> None:
        """Prepare; ``keys`` makes private keys for certificates."""
        self._client = client
        self._queue = queue
        self._cache = cache
        self._secrets = secrets
        self._writer = writer
        self._hubs = hubs
        self._reporter = reporter
        self._workloads = workloads
        self._turns = turns
        self._orders = orders
        self._networks = networks
        self._clock = clock
        self._entropy = entropy
        self._keys = keys
        self._obstacles = Obstacles(client, queue)

    async def reconcile(self, key: Key) -> None:
        """Bring one identity in order."""
        record, identity = self._cache.get(key), self._cache.identity(key)
        if record is None or identity is None:
            self._reporter.forget(key)
            self._turns.forget(key)
            self._obstacles.forget(key)
            await self._orders.done(_order_of(key))
            return
        if record.released:
            return  # its Secrets are gone: what they told would have to be cut off again, for all anybody knows
        hub = self._hubs.runtime(*record.hub)
        if hub is not None and hub.view is None:
            hub.waiting.add(key)
            if not hub.trouble:
                return  # the Hub is being brought up, and wakes whom it has
        plan = await self._plan(key, identity, hub)
        if plan is not None and plan.deadline is not None and plan.deadline - self._clock() > RESERVE_SECONDS:
            with paid(plan.writes):
                await self._carry_out(key, identity, record, hub, plan)
        elif plan is not None:
            await self._carry_out(key, identity, record, hub, plan)

    async def _plan(self, key: Key, identity: Declared, hub: HubRuntime | None) -> Plan | None:
        view = hub.view if hub else None
        obstacles = await self._obstacles.of(key, identity, view)
        observed = Observed(
            foreign=hub.tls.shown_by(key) if hub else (),
            hub_trouble=hub.trouble if hub else "",
            id_rival=self._cache.id_rival(key, partial(_account_of, view)),
            key_rival=self._cache.key_rival(key, partial(_account_of, view)),
            placed=self._orders.placed(_order_of(key)),
            selects_pods=await self._networks.selects_pods(key, identity),
        )
        if obstacles and isinstance(identity, Identity):
            observed = replace(
                observed,
                obstacle=obstacles.get(identity_secrets.credential(identity)),
                certificate_obstacle=obstacles.get(identity_secrets.certificate(identity)),
            )
        for _ in range(_LOOKS):
            observed = replace(observed, secrets=self._secrets.owned_by(key.namespace, identity.uid))
            try:
                plan = plan_identity(
                    identity, view, observed, now=self._clock(), entropy=self._entropy, make_key=self._keys
                )
            except KeyNotMadeError as missing:
                await self._keys.prepare(missing.key_type)
                continue
            if plan.deadline is None:
                self._turns.forget(key)  # a turn that is not needed now must not be saved up for later
            elif not observed.has_turn and not self._turns.take(key, plan.deadline, plan.writes):
                self._revoke(key, hub, plan)
                return None
            wanted = plan.read_secret or plan.read_certificate
            if wanted is None and not plan.awaits_turn:
                self._trust(observed, plan)
                return plan
            observed = replace(observed, has_turn=observed.has_turn or plan.deadline is not None or plan.awaits_turn)
            if wanted is not None:
                contents = await self._read(key, wanted)
                if contents is None:
                    return None
                observed = _with_contents(observed, plan, contents)
        raise RuntimeError("a Secret was read and its contents were asked for again")

    async def _read(self, key: Key, facts: SecretFacts) -> Contents | None:
        """Read a Secret; one that is another by now is looked at anew."""
        secret = await self._writer.read(key.namespace, facts.name)
        if secret is None or secret["metadata"]["uid"] != facts.uid:
            self._secrets.remove(key.namespace, facts.name, uid=facts.uid)
            self._queue.add(key)
            return None
        if secret["metadata"]["resourceVersion"] != facts.resource_version:
            self._secrets.upsert(secret)
        return Contents(secret)

    def _trust(self, observed: Observed, plan: Plan) -> None:
        """Take note of the Secrets that were read and are as they should be."""
        for contents, write in (
            (observed.contents, plan.write),
            (observed.certificate_contents, plan.write_certificate),
        ):
            if contents is None or write is not None:
                continue
            for facts in observed.secrets:
                if facts.uid == contents.secret["metadata"]["uid"]:
                    self._secrets.trust(facts)

    def _revoke(self, key: Key, hub: HubRuntime | None, plan: Plan) -> bool:
        """Ask the Hub for what the plan revokes; tell whether there is anything."""
        if hub is None or not (plan.revoke or plan.revoke_certificates):
            return False
        ask_to_revoke(self._queue, hub, key, plan.revoke, plan.revoke_certificates)
        return True

    async def _carry_out(
        self, key: Key, identity: Declared, record: Record, hub: HubRuntime | None, plan: Plan
    ) -> None:
        resource = IDENTITY_KINDS[key.kind].resource
        if plan.add_finalizer:
            await add_finalizer(self._client, resource, key.namespace, key.name)
            record.finalized = True
        writes = [write for write in (plan.write, plan.write_certificate) if write is not None]
        replaced = {facts.name: facts for facts in plan.drop if facts.name in {w.manifest.name for w in writes}}
        for write in writes:
            await self._write(key, identity, hub, write, replaced.get(write.manifest.name))
        await self._order(key, identity.uid, hub, plan)
        for facts in plan.drop:
            if facts.name not in replaced:
                # A Secret whose identity is going is deleted with it, by the garbage collector.
                await self._writer.let_go(facts, delete=not plan.release)
        if self._revoke(key, hub, plan):
            record.asked = True
        elif hub is not None and not plan.settled:
            hub.waiting.add(key)
        if plan.release:
            await remove_finalizer(self._client, resource, key.namespace, key.name, uid=identity.uid)
            self._cache.release(key, identity.uid)
        else:
            plan = await self._workloads.restart(key, identity, plan)
            await self._reporter.tell(key, identity, plan, hub)
        if plan.due is not None:
            self._queue.add_after(key, plan.due - self._clock())
        if plan.action:
            account = (plan.status or {}).get("account", "")
            log.info("identity", object=str(key), hub="/".join(record.hub), account=account, action=plan.action)

    async def _order(self, key: Key, uid: str, hub: HubRuntime | None, plan: Plan) -> None:
        """Have somebody else sign, or clear away what came of that."""
        if plan.order_over:
            await self._orders.done(_order_of(key))
        if hub is not None and plan.order is not None:
            order, private = plan.order.order, plan.order.key
            owner = Owner(key.kind, key.name, uid) if key.namespace == hub.key.namespace else hub.owner
            await self._orders.place(_order_of(key), order, private, namespace=hub.key.namespace, owner=owner)
        if hub is not None and plan.found_root:
            hub.found_root(plan.found_root)

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
            self._obstacles.meet(key, name)
            self._queue.add(Key(SECRETS.kind, key.namespace, name))  # it may be an orphan


def _account_of(view: HubView | None, key: Key, record: Record) -> str | None:
    return account_of(view, key.namespace, record.account, record.holds_account) if view is not None else None


def _with_contents(observed: Observed, plan: Plan, contents: Contents) -> Observed:
    if plan.read_secret is not None:
        return replace(observed, contents=contents)
    return replace(observed, certificate_contents=contents)


def _order_of(key: Key) -> OrderKey:
    return key, "certificate"
