"""The encryption of Hubs, as their worker sees it: brought up before the servers are told, followed afterwards."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from iotsec.decide import conditions, tls_status
from iotsec.decide.authorities import Phase
from iotsec.decide.ca_rotation import Convergence
from iotsec.decide.conditions import Reason
from iotsec.decide.consumers import counted, in_use_until
from iotsec.decide.secrets import Owner, SecretFacts
from iotsec.decide.tls_status import TlsState
from iotsec.decide.trust_bundles import BY_UNKNOWN_LABELS, chosen_by_unknown_labels, wanted_bundles
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.key_maker import KeyMaker, KeyNotMadeError
from iotsec.kube.keys import Key
from iotsec.kube.namespaces import Namespaces
from iotsec.kube.placements import Placements
from iotsec.kube.queue import WorkQueue
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.tls_keeper import TlsKeeper
from iotsec.kube.tls_policies import TlsPolicies
from iotsec.kube.tls_policy_teller import TlsPolicyTeller
from iotsec.kube.tls_rollout import TlsRollout
from iotsec.nats.tls_config import encrypted_listeners

log = structlog.get_logger()

_COUNT_SECONDS = 1.0  # between two counts of who has what, at least: each is a pass over all Secrets
_COUNT_SHARE = 0.05  # of the time is spent on them, at most: with 100,000 identities one takes a second or more
_LONGEST_SLEEP = 3600


class Encryption:
    """Carries out the TLSPolicies of Hubs, and tells how far that is."""

    def __init__(
        self,
        *,
        queue: WorkQueue[Key],
        policies: TlsPolicies,
        hubs: HubRegistry,
        keeper: TlsKeeper,
        keys: KeyMaker,
        rollout: TlsRollout,
        bundles: Placements,
        namespaces: Namespaces,
        secrets: SecretCache,
        identities: IdentityCache,
        teller: TlsPolicyTeller,
        answers: bool,
        clock: Callable[[], int],
    ) -> None:
        """Prepare; ``answers`` tells whether there is an endpoint that tells which certificates are revoked."""
        self._queue = queue
        self._policies = policies
        self._hubs = hubs
        self._keeper = keeper
        self._keys = keys
        self._rollout = rollout
        self._bundles = bundles
        self._namespaces = namespaces
        self._secrets = secrets
        self._identities = identities
        self._teller = teller
        self._answers = answers
        self._clock = clock

    async def bring_up(self, hub: HubRuntime, owner: Owner, *, ending: bool) -> bool:
        """Make the next step of what encrypts a Hub; tell whether its servers are to be given something else.

        Raises:
            ConflictError, ApiError: a Secret cannot be written now.

        """
        changed = await self._advance(hub, owner, ending=ending)
        if (due := self._keeper.due(hub)) is not None:
            self._queue.add_after(hub.key, max(0, min(_LONGEST_SLEEP, due - self._clock())))
        if (wait := hub.tls.issuer_due - asyncio.get_running_loop().time()) > 0:
            self._queue.add_after(hub.key, wait)  # nobody tells of the user's CA
        return changed

    async def _advance(self, hub: HubRuntime, owner: Owner, *, ending: bool) -> bool:
        while True:
            policy = self._policies.of(hub.key)
            try:
                changed = await self._keeper.advance(hub, owner, policy, ending=ending)
            except KeyNotMadeError as error:
                await self._keys.prepare(error.key_type)
            else:
                hub.tls.carried_out = policy.version if policy is not None else None
                return changed

    async def follow(self, hub: HubRuntime) -> None:
        """See how far servers and identities are, and tell it."""
        wait = await self._rollout.follow(hub)
        if wait is not None:
            self._queue.add_after(hub.key, wait)
        tls = hub.tls
        if tls.settings is None:
            tls.established = False
        elif not tls.established and tls.rollout.converged and "client" in encrypted_listeners(hub.config):
            tls.established = True
            hub.connect()  # one from before, in the clear, is not gone on with
        await self._keep_bundles(hub)
        before = tls.seen
        self._count(hub)
        if tls.seen != before and not tls.seen.servers:
            self._queue.add(hub.key)  # the next step may be possible now
        policy = self._policies.of(hub.key)
        # What came or was edited meanwhile is told of when it is carried out: its Hub is queued for that.
        if policy is not None and policy.version == tls.carried_out:
            state = self._state(hub)
            await self._teller.tell(policy, tls_status.tls_conditions(state, now=self._clock()), state)

    async def forget(self, hub: Key) -> None:
        """Take note that a Hub is no more: what it had in other namespaces goes."""
        await self._bundles.keep(hub, {})

    async def _keep_bundles(self, hub: HubRuntime) -> None:
        tls = hub.tls
        labels = self._namespaces.labels
        if tls.settings is not None and chosen_by_unknown_labels(tls.settings, labels):
            tls.conflicts = (BY_UNKNOWN_LABELS,)  # what is there stays
            return
        wanted = wanted_bundles(tls.settings, tls.authorities, hub.key.name, namespace=hub.key.namespace, labels=labels)
        tls.conflicts = tuple((await self._bundles.keep(hub.key, wanted)).values())

    async def reconcile(self, key: Key) -> None:
        """Tell of a policy that its Hub does not tell of: there is none, or another policy came first."""
        record = self._policies.record(key)
        if record is None or record.ending:
            return
        first = self._policies.of(record.hub)
        if first is not None and first.key != key:
            message = f"TLSPolicy {first.key.name} was there first for Hub {record.hub.name}: delete one of the two"
            await self._teller.tell(record, conditions.stalled(Reason.ANOTHER_POLICY, message))
        elif self._hubs.record(record.hub) is None:
            message = f"Hub {record.hub.name} does not exist in namespace {record.hub.namespace}"
            await self._teller.tell(record, conditions.waiting(Reason.HUB_NOT_FOUND, message))

    def _state(self, hub: HubRuntime) -> TlsState:
        tls = hub.tls
        policy = self._policies.of(hub.key)
        asked = policy.rotate_ca if policy is not None else ""
        settings = tls.settings
        return TlsState(
            authorities=tls.authorities,
            pace=settings.pace if settings is not None else tls_status.NO_PACE,
            certificates=tls.certificates,
            renewals=tls.dues,
            missing=tls.waits_for,
            servers=self._rollout.servers(hub),
            seen=tls.seen,
            problem=hub.connection.problem,
            restart=tls.rollout.restart,
            consumers=tls.consumers,
            conflicts=tls.conflicts,
            leaf_life=settings.policy.duration if settings is not None else 0,
            trouble=tls.trouble,
            revocation_unserved=settings is not None and settings.revocation is not None and not self._answers,
            heeded=(tls.authorities.heeded if tls.authorities is not None and asked else "", tls.heeded),
        )

    def _count(self, hub: HubRuntime) -> None:
        """See how far everybody is with what is written down now."""
        tls, loop = hub.tls, asyncio.get_running_loop()
        state = tls.authorities
        servers = self._rollout.behind(hub)
        if state is None or tls.view is None or state.phase is Phase.STEADY:
            tls.seen, tls.consumers = Convergence(servers), None
            return
        if loop.time() < tls.count_due:
            self._queue.add_after(hub.key, tls.count_due - loop.time())
            tls.seen = replace(tls.seen, servers=servers)
            return
        began = time.perf_counter()
        name = hub.key.place
        consumers = (facts for facts in self._secrets if facts.hub == name and self._counts(facts))
        tls.seen, tls.consumers = counted(consumers, tls.certificates.values(), state, tls.view, servers=servers)
        took = time.perf_counter() - began  # the loop's own clock stands still meanwhile
        tls.count_due = loop.time() + max(_COUNT_SECONDS, took / _COUNT_SHARE)

    def _counts(self, facts: SecretFacts) -> bool:
        """Tell whether somebody uses this Secret who must not be left behind: one that ended needs nothing."""
        if facts.owner is None or facts.deleting:
            return False
        record = self._identities.get(Key(facts.owner.kind, facts.namespace, facts.owner.name))
        # Anybody may write such a Secret in a namespace of his own: those of the Hub's identities alone count.
        if record is None or record.ends or (record.uid, "/".join(record.hub)) != (facts.owner.uid, facts.hub):
            return False
        return in_use_until(facts) > self._clock()
