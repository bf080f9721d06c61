"""The encryption of Hubs, as their worker sees it: brought up before the servers are told, followed afterwards."""

import asyncio
from collections.abc import Callable
from itertools import islice

import structlog

from iotsec.decide import conditions, tls_status
from iotsec.decide.authorities import Phase
from iotsec.decide.ca_rotation import Convergence
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.secrets import Owner, SecretFacts
from iotsec.decide.tls_status import TlsState
from iotsec.decide.trust_bundles import WantedBundle, bundle_name, bundle_namespaces
from iotsec.kube.client import Client
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.namespaces import Namespaces
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import TLS_POLICIES
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.status_writer import write_status
from iotsec.kube.tls_keeper import TlsKeeper
from iotsec.kube.tls_policies import PolicyRecord, TlsPolicies
from iotsec.kube.tls_rollout import TlsRollout
from iotsec.kube.trust_bundles import TrustBundles

log = structlog.get_logger()

_COUNT_SECONDS = 1.0  # between two counts of who has what: each is a pass over all Secrets
_TOLD_SECONDS = 2.0
_EXAMPLES = 5
_LONGEST_SLEEP = 3600


class Encryption:
    """Carries out the TLSPolicies of Hubs, and tells how far that is."""

    def __init__(
        self,
        *,
        client: Client,
        queue: WorkQueue[Key],
        policies: TlsPolicies,
        hubs: HubRegistry,
        keeper: TlsKeeper,
        rollout: TlsRollout,
        bundles: TrustBundles,
        namespaces: Namespaces,
        secrets: SecretCache,
        identities: IdentityCache,
        events: EventRecorder,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._queue = queue
        self._policies = policies
        self._hubs = hubs
        self._keeper = keeper
        self._rollout = rollout
        self._bundles = bundles
        self._namespaces = namespaces
        self._secrets = secrets
        self._identities = identities
        self._events = events
        self._clock = clock

    async def bring_up(self, hub: HubRuntime, owner: Owner, *, ending: bool) -> bool:
        """Make the next step of what encrypts a Hub; tell whether its servers are to be given something else.

        Raises:
            ConflictError, ApiError: a Secret cannot be written now.

        """
        changed = await self._keeper.advance(hub, owner, self._policies.of(hub.key), ending=ending)
        if (due := self._keeper.due(hub)) is not None:
            self._queue.add_after(hub.key, max(0, min(_LONGEST_SLEEP, due - self._clock())))
        return changed

    async def follow(self, hub: HubRuntime) -> None:
        """See how far servers and identities are, and tell it."""
        wait = await self._rollout.follow(hub)
        if wait is not None:
            self._queue.add_after(hub.key, wait)
        tls = hub.tls
        if tls.settings is not None and tls.rollout.converged and "client" in tls.settings.listeners:
            tls.established = True
        elif tls.settings is None:
            tls.established = False
        await self._keep_bundles(hub)
        before = tls.seen
        self._count(hub)
        if tls.seen != before and not tls.seen.servers:
            self._queue.add(hub.key)  # the next step may be possible now
        policy = self._policies.of(hub.key)
        if policy is not None:
            await self._tell(policy, self._conditions(hub), self._state(hub))

    async def forget(self, hub: Key) -> None:
        """Take note that a Hub is no more: what it had in other namespaces goes."""
        await self._bundles.keep(hub, None)

    async def _keep_bundles(self, hub: HubRuntime) -> None:
        settings, state = hub.tls.settings, hub.tls.authorities
        wanted = None
        if settings is not None and settings.bundle is not None and state is not None:
            chosen = settings.bundle.namespaces
            labels = self._namespaces.labels
            wanted = WantedBundle(
                state.bundle,
                settings.bundle.name or bundle_name(hub.key.name),
                settings.bundle.key,
                bundle_namespaces(chosen.from_, chosen.selector, hub_namespace=hub.key.namespace, labels=labels),
            )
        hub.tls.conflicts = await self._bundles.keep(hub.key, wanted)

    async def reconcile(self, key: Key) -> None:
        """Tell of a policy that its Hub does not tell of: there is none, or another policy came first."""
        record = self._policies.record(key)
        if record is None or "deletionTimestamp" in record.metadata:
            return
        first = self._policies.of(record.hub)
        if first is not None and first.key != key:
            message = f"TLSPolicy {first.key.name} was there first for Hub {record.hub.name}: delete one of the two"
            await self._tell(record, conditions.stalled(Reason.ANOTHER_POLICY, message), None)
        elif self._hubs.record(record.hub) is None:
            message = f"Hub {record.hub.name} does not exist in namespace {record.hub.namespace}"
            await self._tell(record, conditions.waiting(Reason.HUB_NOT_FOUND, message), None)

    def _conditions(self, hub: HubRuntime) -> tuple[Condition, ...]:
        trouble = hub.tls.trouble
        told = tls_status.tls_conditions(self._state(hub), now=self._clock())
        if trouble is None:
            return told
        facts = tuple(one for one in told if one.type not in conditions.SUMMARY)
        return (*conditions.stalled(*trouble), *facts)

    def _state(self, hub: HubRuntime) -> TlsState:
        tls = hub.tls
        policy = self._policies.of(hub.key)
        asked = policy.token if policy is not None else ""
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
            heeded=(tls.authorities.heeded if tls.authorities is not None and asked else "", tls.heeded),
        )

    def _count(self, hub: HubRuntime) -> None:
        """See how far everybody is with what is written down now."""
        tls, loop = hub.tls, asyncio.get_running_loop()
        state = tls.authorities
        servers = self._rollout.behind(hub)
        if state is None or tls.view is None:
            tls.seen, tls.consumers = Convergence(servers), None
            return
        if state.phase is Phase.STEADY:
            tls.seen, tls.consumers = Convergence(servers), None
            return
        if loop.time() < tls.count_due:
            self._queue.add_after(hub.key, tls.count_due - loop.time())
            tls.seen = Convergence(servers, tls.seen.bundles_behind, tls.seen.certificates_behind, tls.seen.examples)
            return
        tls.count_due = loop.time() + _COUNT_SECONDS
        mine = [facts for facts in self._secrets if facts.hub == f"{hub.key.namespace}/{hub.key.name}"]
        consumers = [facts for facts in mine if self._counts(facts)]
        no_bundle = [facts for facts in consumers if facts.note is not None and facts.note.bundle != tls.view.digest]
        certified = [facts for facts in consumers if facts.certificate is not None]
        former = [f for f in certified if f.certificate is not None and f.certificate.generation != state.signing.id]
        own = sum(1 for held in tls.certificates.values() if not held.is_of(state.signing))
        behind = former if state.phase is Phase.USE else no_bundle
        tls.seen = Convergence(
            servers,
            bundles_behind=len(no_bundle),
            certificates_behind=len(former) + own,
            examples=tuple(f"{facts.namespace}/{facts.name}" for facts in islice(behind, _EXAMPLES)),
        )
        tls.consumers = (
            len(consumers),
            len(consumers) - len(no_bundle),
            len(certified) - len(former) if tls.view.mutual else None,
        )

    def _counts(self, facts: SecretFacts) -> bool:
        """Tell whether somebody uses this Secret who must not be left behind: one that ended needs nothing."""
        if facts.owner is None or facts.deleting:
            return False
        ends_at = facts.issued.last_end() if facts.issued else facts.certificate.expires_at if facts.certificate else 0
        record = self._identities.get(Key(facts.owner.kind, facts.namespace, facts.owner.name))
        return ends_at > self._clock() and record is not None and not record.ends

    async def _tell(self, record: PolicyRecord, wanted: tuple[Condition, ...], state: TlsState | None) -> None:
        now = asyncio.get_running_loop().time()
        status = tls_status.tls_status(
            record.status,
            wanted,
            generation=record.metadata["generation"],
            now=self._clock(),
            hub=record.hub.name,
            state=state,
        )
        same = status.get("conditions") == record.status.get("conditions")
        if same and now - record.told_at < _TOLD_SECONDS:
            if status != record.status:
                self._queue.add_after(record.hub, _TOLD_SECONDS - (now - record.told_at))
            return
        before = conditions.reason_of(record.status, conditions.READY)
        if not await write_status(
            self._client,
            TLS_POLICIES,
            record.key.namespace,
            record.key.name,
            previous=record.status,
            wanted=status,
        ):
            return
        record.status, record.told_at = status, now
        ready = next((one for one in wanted if one.type == conditions.READY), None)
        if ready is not None and str(ready.reason) != before:
            self._events.record(
                Event(
                    key=record.key,
                    api_version=TLS_POLICIES.api_version,
                    uid=record.uid,
                    type="Normal" if ready.status == "True" else "Warning",
                    reason=ready.reason,
                    note=ready.message,
                    action="Reconcile",
                )
            )
