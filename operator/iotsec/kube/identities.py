"""The worker for identities: gather, decide, carry out. The same for every kind."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from iotsec.api.model import SpecError
from iotsec.decide import conditions
from iotsec.decide.conditions import Reason
from iotsec.decide.identity import Plan, SecretWrite, plan_identity, plan_orphan
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.times import rfc3339
from iotsec.decide.views import Contents, HubView, Identity, Observed
from iotsec.kube.accounts import COALESCE_SECONDS
from iotsec.kube.client import Client
from iotsec.kube.errors import AlreadyExistsError, NotFoundError
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.finalizers import add_finalizer, remove_finalizer
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hubs import Hubs
from iotsec.kube.identity_cache import IdentityCache, Record
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import SECRETS
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter
from iotsec.kube.status_writer import write_status

log = structlog.get_logger()

# A push takes milliseconds where the servers are well: what it will change is not worth two status writes.
_PATIENCE_SECONDS = 2.0
_CONFLICT_SECONDS = 60.0


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
        hubs: Hubs,
        events: EventRecorder,
        clock: Callable[[], int],
        entropy: Callable[[], bytes],
    ) -> None:
        self._client = client
        self._queue = queue
        self._cache = cache
        self._secrets = secrets
        self._writer = writer
        self._hubs = hubs
        self._events = events
        self._clock = clock
        self._entropy = entropy
        self._patient_since: dict[Key, float] = {}
        self._conflicts: set[Key] = set()

    async def reconcile(self, key: Key) -> None:
        """Bring one identity in order."""
        record = self._cache.get(key)
        if record is None:
            self._patient_since.pop(key, None)
            self._conflicts.discard(key)
            return
        try:
            identity = self._cache.identity(key)
        except SpecError as error:
            await self._tell_invalid(key, record, error)
            return
        if identity is None:
            return
        hub = self._hubs.runtime(*record.hub)
        if hub is not None and hub.view is None:
            hub.waiting.add(key)
            if not hub.trouble:
                return  # the Hub is being brought up, and wakes whom it has
        plan = await self._plan(key, identity, hub, record)
        if plan is not None:
            await self._carry_out(key, identity, record, hub, plan)

    async def reconcile_orphan(self, key: Key) -> None:
        """Look at a creds Secret whose identity may be gone; what it held is revoked before it goes."""
        facts = self._secrets.get(key.namespace, key.name)
        if facts is None or facts.owner is None or facts.owner.kind not in IDENTITY_KINDS:
            return
        owner = Key(facts.owner.kind, facts.namespace, facts.owner.name)
        record = self._cache.get(owner)
        if record is not None and record.uid == facts.owner.uid:
            self._queue.add(owner)
            return
        if await self._exists(owner, facts.owner.uid):
            return  # the watch of the identities is a little behind: it will tell
        namespace, _, name = facts.hub.partition("/")
        hub = self._hubs.runtime(namespace, name)
        if hub is not None and hub.view is None:
            hub.waiting.add(key)  # it has keys, and cannot sign with them yet
            return
        plan = plan_orphan(facts, hub.view if hub else None, now=self._clock())
        await self._revoke(key, hub, plan)
        for secret in plan.drop:
            await self._writer.let_go(secret)
            log.info("orphan cut off", object=str(owner), hub=facts.hub, action=plan.action)

    async def _plan(self, key: Key, identity: Identity, hub: HubRuntime | None, record: Record) -> Plan | None:
        view = hub.view if hub else None
        foreign = key in self._conflicts and await self._is_foreign(identity)
        if not foreign:
            self._conflicts.discard(key)
        contents: Contents | None = None
        for _ in range(2):
            observed = Observed(
                secrets=self._secrets.owned_by(record.uid),
                contents=contents,
                foreign_secret=foreign,
                hub_trouble=hub.trouble if hub else "",
                id_rival=self._cache.id_rival(key, _same_account(view)),
                key_rival=self._cache.key_rival(key, _same_account(view)),
            )
            plan = plan_identity(identity, view, observed, now=self._clock(), entropy=self._entropy)
            if plan.read_secret is None:
                if contents is not None and plan.write is None:
                    for facts in observed.secrets:
                        self._secrets.trust(facts)
                return plan
            facts = plan.read_secret
            secret = await self._writer.read(facts.namespace, facts.name)
            if secret is None or secret["metadata"]["uid"] != facts.uid:
                self._secrets.remove(facts.namespace, facts.name, uid=facts.uid)
                self._queue.add(key)
                return None
            if secret["metadata"]["resourceVersion"] != facts.resource_version:
                self._secrets.upsert(secret)
            contents = Contents(secret)
        raise RuntimeError("a Secret was read and its contents were asked for again")

    async def _carry_out(
        self, key: Key, identity: Identity, record: Record, hub: HubRuntime | None, plan: Plan
    ) -> None:
        kind = IDENTITY_KINDS[key.kind]
        if plan.add_finalizer:
            await add_finalizer(self._client, kind.resource, key.namespace, key.name)
            record.finalized = True
        if plan.write is not None and not await self._write(key, plan.write, plan.drop):
            return
        for facts in plan.drop:
            # A Secret whose identity is going is deleted with it, by the garbage collector.
            await self._writer.let_go(facts, delete=not plan.release)
        await self._revoke(key, hub, plan)
        if plan.release:
            await remove_finalizer(self._client, kind.resource, key.namespace, key.name)
            self._patient_since.pop(key, None)
        elif plan.status is not None and not self._is_patient(key, hub, plan):
            await self._tell(key, identity, record, plan)
        if plan.due is not None:
            self._queue.add_after(key, plan.due - self._clock())
        if not plan.settled and hub is not None and not plan.revoke:
            hub.waiting.add(key)
        if plan.action:
            log.info(
                "identity",
                object=str(key),
                hub="/".join(record.hub),
                account=(plan.status or {}).get("account", ""),
                action=plan.action,
            )

    async def _write(self, key: Key, write: SecretWrite, drop: tuple[SecretFacts, ...]) -> bool:
        """Write the Secret; tell whether it could be, or somebody else's stands there."""
        name = write.manifest.name
        for facts in drop:
            if facts.name == name:  # deleted by somebody: it must be gone before it can be there again
                await self._writer.let_go(facts)
        try:
            await self._writer.write(write.manifest, write.replaces)
        except AlreadyExistsError:
            secret = await self._writer.read(write.manifest.namespace, name)
            references = (secret or {"metadata": {}})["metadata"].get("ownerReferences") or ()
            if secret and any(r.get("uid") == write.manifest.owner.uid for r in references):
                self._secrets.upsert(secret)  # ours: only our label was taken away, or the watch is behind
            else:
                self._conflicts.add(key)
            self._queue.add(key)
            return False
        return True

    async def _is_foreign(self, identity: Identity) -> bool:
        """Tell whether the Secret in our way is still there."""
        self._queue.add_after(Key(identity.kind, identity.namespace, identity.name), _CONFLICT_SECONDS)
        name = identity.spec.secret_name or f"{identity.name}-{identity.kind.lower()}-creds"
        try:
            metadata = (await self._client.get_metadata(SECRETS, identity.namespace, name))["metadata"]
        except NotFoundError:
            return False
        return all(r.get("uid") != identity.uid for r in metadata.get("ownerReferences") or ())

    async def _revoke(self, key: Key, hub: HubRuntime | None, plan: Plan) -> None:
        """Hand revocations to the Hub, which wakes us when every server has them."""
        if hub is None or not plan.revoke:
            return
        hub.waiting.add(key)
        if hub.request(plan.revoke):
            since = asyncio.get_running_loop().time() - hub.pushed_at
            self._queue.add_after(hub.key, max(0.0, COALESCE_SECONDS - since))

    def _is_patient(self, key: Key, hub: HubRuntime | None, plan: Plan) -> bool:
        """Tell whether to wait a moment with a status that is about to be overtaken."""
        now = asyncio.get_running_loop().time()
        if plan.settled or hub is None or hub.connection.problem:
            self._patient_since.pop(key, None)
            return False
        since = self._patient_since.setdefault(key, now)
        if now - since >= _PATIENCE_SECONDS:
            return False
        self._queue.add_after(key, _PATIENCE_SECONDS - (now - since) + 0.01)
        return True

    async def _tell(self, key: Key, identity: Identity, record: Record, plan: Plan) -> None:
        status = dict(plan.status or {})
        self._cache.wrote_status(key, status)
        wrote = await write_status(
            self._client,
            IDENTITY_KINDS[key.kind].resource,
            key.namespace,
            key.name,
            previous=identity.status,
            wanted=status,
        )
        if wrote:
            self._tell_transition(key, record, dict(identity.status), status)

    def _tell_transition(self, key: Key, record: Record, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Post an event where Ready's reason changed; a first success is no news: the object says it itself."""
        ready = next((c for c in after["conditions"] if c["type"] == conditions.READY), None)
        reason = conditions.reason_of(before, conditions.READY)
        first = not reason and ready is not None and ready["status"] == "True"
        if ready is None or first or (ready["reason"] == reason and before.get("revision") == after.get("revision")):
            return
        self._events.record(
            Event(
                key=key,
                api_version=IDENTITY_KINDS[key.kind].resource.api_version,
                uid=record.uid,
                type="Normal" if ready["status"] == "True" or ready["reason"] == Reason.SUSPENDED else "Warning",
                reason=ready["reason"],
                note=ready["message"],
                action="Reconcile",
            )
        )

    async def _tell_invalid(self, key: Key, record: Record, error: SpecError) -> None:
        import orjson  # noqa: PLC0415

        previous = orjson.loads(record.status)
        wanted = conditions.stalled(Reason.INVALID_SPEC, str(error))
        status = {
            **previous,
            "observedGeneration": record.generation,
            "conditions": conditions.merge(
                previous.get("conditions") or (), wanted, generation=record.generation, now=rfc3339(self._clock())
            ),
        }
        resource = IDENTITY_KINDS[key.kind].resource
        await write_status(self._client, resource, key.namespace, key.name, previous=previous, wanted=status)

    async def _exists(self, owner: Key, uid: str) -> bool:
        try:
            found = await self._client.get_metadata(IDENTITY_KINDS[owner.kind].resource, owner.namespace, owner.name)
        except NotFoundError:
            return False
        return bool(found["metadata"]["uid"] == uid)


def _same_account(view: HubView | None) -> Callable[[Key, Record, Key, Record], bool]:
    """Compare accounts as the Hub resolves them: the one named, or the only one the namespace may use."""

    def resolve(key: Key, record: Record) -> str:
        if record.account or view is None:
            return record.account
        admitting = [
            a.name for a in view.spec.effective_accounts() if a.admits(key.namespace, hub_namespace=view.namespace)
        ]
        return admitting[0] if len(admitting) == 1 else ""

    def same(key: Key, record: Record, other: Key, other_record: Record) -> bool:
        return resolve(key, record) == resolve(other, other_record)

    return same
