"""The worker for Hubs: keys and configuration first, then the servers, then the status."""

import asyncio
from collections.abc import Callable

import structlog

from iotsec.api.hub import Hub, parse_hub
from iotsec.api.model import SpecError
from iotsec.broker.connection import UnavailableError
from iotsec.decide import hub as hub_decisions
from iotsec.decide import names, trust
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.definition import Users, removed_in_use
from iotsec.decide.encryption_at_rest import ROTATE_JETSTREAM_KEY
from iotsec.decide.operator_rotation import asked
from iotsec.decide.rotation_policy import hub_window_fault
from iotsec.decide.secrets import Owner
from iotsec.kube.accounts import PRESENCE_SECONDS, AccountPusher
from iotsec.kube.client import Client
from iotsec.kube.encryption import Encryption
from iotsec.kube.encryption_at_rest import EncryptionAtRest
from iotsec.kube.errors import NotFoundError
from iotsec.kube.existing_trust import ExistingTrusts, NotAskedYetError
from iotsec.kube.finalizers import add_finalizer, remove_finalizer
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secrets import HubSecrets
from iotsec.kube.hub_spec import specify
from iotsec.kube.hub_status import HubTeller
from iotsec.kube.hub_troubles import TROUBLES, refusals_told, trouble_of
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.key_rotation import KeyRotations
from iotsec.kube.keys import Key
from iotsec.kube.networks import Networks
from iotsec.kube.object_record import ObjectRecord
from iotsec.kube.presence import Presences
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS

log = structlog.get_logger()

_RETRY_SECONDS = 1.0
_AWAY_SECONDS = 20.0  # a connection that comes back wakes its Hub: this is for what else may be forgotten
_TROUBLE_SECONDS = 2.0


class Hubs:
    """The work on each Hub."""

    def __init__(
        self,
        *,
        client: Client,
        queue: WorkQueue[Key],
        registry: HubRegistry,
        identities: IdentityCache,
        presences: Presences,
        secrets: HubSecrets,
        existing: ExistingTrusts,
        rotations: KeyRotations,
        pusher: AccountPusher,
        encryption: Encryption,
        at_rest: EncryptionAtRest,
        networks: Networks,
        teller: HubTeller,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._queue = queue
        self._registry = registry
        self._identities = identities
        self._presences = presences
        self._secrets = secrets
        self._existing = existing
        self._rotations = rotations
        self._pusher = pusher
        self._encryption = encryption
        self._at_rest = at_rest
        self._networks = networks
        self._teller = teller
        self._clock = clock

    async def reconcile(self, key: Key) -> None:
        """Bring one Hub in order."""
        record = self._registry.record(key)
        if record is None:
            await self._forget(key)
            return
        runtime = await self._registry.brought_up(key)
        if record.ending and names.FINALIZER not in (record.metadata.get("finalizers") or ()):
            return  # we are done with it; it waits for others
        if record.ending and hub_decisions.is_ended(record.status):
            await self._release(record, runtime)
            return
        trouble: tuple[Reason, str] | None = None
        try:
            hub = parse_hub(record.body)
            await self._bring_up(record, hub, runtime)
        except TROUBLES as error:
            trouble = trouble_of(error, refused=runtime.connection.refused)
        except NotAskedYetError:
            return
        if trouble is None:
            await self._serve(record, runtime)
        else:
            await self._stall(record, runtime, *trouble)

    async def _bring_up(self, record: ObjectRecord, hub: Hub, runtime: HubRuntime) -> None:
        """See that the Hub has its finalizer, its Secrets and its connection."""
        key = runtime.key
        if not record.ending and names.FINALIZER not in hub.metadata.finalizers:
            await add_finalizer(self._client, HUBS, key.namespace, key.name)
        respecified = runtime.generation != hub.metadata.generation
        runtime.ending = record.ending
        runtime.told = hub_decisions.told(record.status)
        spec = specify(runtime, hub, known=bool(record.status.get("operatorPublicKey")), now=self._clock())
        runtime.keys.asked = asked(record.annotations)
        given = runtime.existing
        runtime.stale |= asyncio.get_running_loop().time() >= given.reread_due
        runtime.stale |= given.access is not None and runtime.connection.refused
        users: Users = {}
        if runtime.stale or respecified or runtime.removed_roles:
            users = self._identities.role_users((key.namespace, key.name))
            removed = removed_in_use(spec, users)
            # The key of a role that left the spec goes with the last who has it.
            runtime.stale |= removed.keys() != runtime.removed_roles.keys()
            runtime.removed_roles = removed
        encrypted_otherwise = await self._encryption.bring_up(runtime, _owner(record), ending=record.ending)
        if runtime.stale or respecified or encrypted_otherwise:
            runtime.stale = False  # from here on: what changes while we read is read again
            try:
                with refusals_told():
                    # Servers refuse a configuration with a variable that no Secret gives them yet.
                    runtime.at_rest = await self._at_rest.bring_up(
                        runtime,
                        _owner(record),
                        status=record.status,
                        asked=record.annotations.get(ROTATE_JETSTREAM_KEY, ""),
                        ending=record.ending,
                    )
                    keeper = self._existing if spec.trust.existing else self._secrets
                    await keeper.bring_up(
                        runtime,
                        _owner(record),
                        known=trust.known_keys(record.status),
                        users=users,
                        ending=record.ending,
                        now=self._clock(),
                    )
                    if spec.trust.existing:
                        await self._secrets.keep_adopted_config(
                            runtime, _owner(record), ending=record.ending, now=self._clock()
                        )
                runtime.generation, runtime.trouble = hub.metadata.generation, ""
            except BaseException:
                runtime.stale = True
                raise
            finally:
                if runtime.root is not None:
                    runtime.connect()
        if fault := runtime.fault or hub_window_fault(hub.spec):
            raise SpecError("", fault)  # it goes on with what was right

    async def _serve(self, record: ObjectRecord, runtime: HubRuntime) -> None:
        """Tell the servers, the identities and the user how things stand."""
        if record.status.get("operatorPublicKey") is None:
            # The servers may not exist yet, and cannot start before they have read what was just written.
            await self._teller.tell(record, runtime, self._conditions(runtime))
        if not runtime.connection.tried:
            return  # nothing is known yet; how the attempt ends brings us back
        users = self._users(runtime.key) if record.ending else []
        if record.ending and (not users or _is_forced(record)):
            await self._end(record, runtime)
            return
        if not record.ending and await self._rotations.advance(record, runtime, _owner(record)):
            self._queue.add(runtime.key)  # with other keys all of it begins anew
            return
        if not record.ending:
            runtime.at_rest = await self._at_rest.advance(
                runtime, _owner(record), status=record.status, asked=record.annotations
            )
        await self._distribute(record, runtime)
        self._wake(runtime)
        await self._encryption.follow(runtime)
        await self._networks.keep(runtime)
        if not users:
            await self._teller.tell(record, runtime, self._conditions(runtime))
            return
        facts = hub_decisions.hub_facts(runtime.key.name, runtime.state())
        await self._teller.tell(record, runtime, (*hub_decisions.in_use(users), *facts))
        self._queue.add_after(runtime.key, _RETRY_SECONDS)

    def _users(self, key: Key) -> list[str]:
        return [f"{k.kind} {k.namespace}/{k.name}" for k in self._identities.of_hub((key.namespace, key.name))]

    async def _stall(self, record: ObjectRecord, runtime: HubRuntime, reason: Reason, message: str) -> None:
        """Tell that a Hub needs somebody's help, its identities too; Secrets may be mended without a word to us."""
        key = runtime.key
        # Without its keys nobody can end its accounts, unless there never were any.
        can_end = runtime.root is not None or not record.status.get("operatorPublicKey")
        if record.ending and (_is_forced(record) or (can_end and not self._users(key))):
            await self._end(record, runtime)
            return
        if runtime.root is not None and runtime.spec is not None:
            await self._distribute(record, runtime)  # nobody stays connected for this
            await self._encryption.follow(runtime)
            await self._networks.keep(runtime)
        await self._teller.tell(record, runtime, hub_decisions.stalled(reason, message, ending=record.ending))
        trouble = f"its Hub needs help: {message}"
        if runtime.root is not None:
            self._wake(runtime)
        elif runtime.trouble != trouble:
            runtime.trouble = trouble
            self._wake(runtime)
        self._queue.add_after(key, _patience(runtime) if reason is Reason.NATS_UNAVAILABLE else _TROUBLE_SECONDS)

    async def _distribute(self, record: ObjectRecord, runtime: HubRuntime) -> None:
        try:
            arrived = await self._pusher.distribute(runtime, _owner(record))
            wait = PRESENCE_SECONDS if arrived else _RETRY_SECONDS
        except UnavailableError as error:
            log.debug("servers not available", hub=str(runtime.key), error=str(error))
            wait = _patience(runtime)
        self._queue.add_after(runtime.key, wait)

    def _conditions(self, runtime: HubRuntime) -> tuple[Condition, ...]:
        return hub_decisions.hub_conditions(runtime.key.name, runtime.state())

    def _wake(self, runtime: HubRuntime) -> None:
        """Look again at whom a change here concerns: all identities where the spec or keys changed, else who waits."""
        before = runtime.view
        changed = runtime.refresh_view()
        self._presences.attend(runtime)
        if runtime.view is None or (changed and (before is None or runtime.view.grants_otherwise_than(before))):
            runtime.waiting.update(self._identities.of_hub((runtime.key.namespace, runtime.key.name)))
        if changed or runtime.view is None:
            for identity in runtime.waiting:
                self._queue.add(identity)
            runtime.waiting.clear()

    async def _end(self, record: ObjectRecord, runtime: HubRuntime) -> None:
        """Let its accounts end on the servers, then its Secrets, then the object."""
        was_live = any(a.ledger.issued_at for a in runtime.accounts.values()) or bool(record.status.get("servers"))
        if was_live:
            try:
                await self._pusher.retire(runtime)
            except UnavailableError as error:
                if not _is_forced(record):
                    await self._teller.tell(record, runtime, hub_decisions.not_retired(str(error)))
                    self._queue.add_after(runtime.key, _patience(runtime))
                    return
        # Told before any key goes: after a crash from here on there is nothing to look for.
        await self._teller.tell(record, runtime, hub_decisions.deleting())
        await self._release(record, runtime)

    async def _release(self, record: ObjectRecord, runtime: HubRuntime) -> None:
        key = runtime.key
        self._presences.forget(key)
        self._rotations.forget(record.uid)
        self._at_rest.forget(record.uid)
        await self._encryption.forget(key)
        await self._networks.forget(key)
        await self._registry.drop(key)
        await self._secrets.let_go(key, uid=record.uid)
        await remove_finalizer(self._client, HUBS, key.namespace, key.name, uid=record.uid)
        log.info("hub deleted", hub=str(key), action="delete")

    async def _forget(self, key: Key) -> None:
        """Let go what is left of a Hub that is gone; its identities have to know."""
        self._presences.forget(key)
        await self._encryption.forget(key)
        await self._networks.forget(key)
        await self._registry.drop(key)
        for uid in self._secrets.orphans(key):
            if not await self._exists(key, uid):  # somebody took our finalizer off the Hub
                await self._secrets.let_go(key, uid=uid)
        for identity in self._identities.of_hub((key.namespace, key.name)):
            self._queue.add(identity)

    async def _exists(self, key: Key, uid: str) -> bool:
        try:
            found = await self._client.get_metadata(HUBS, key.namespace, key.name)
        except NotFoundError:
            return False
        return bool(found["metadata"]["uid"] == uid)


def _patience(runtime: HubRuntime) -> float:
    return _AWAY_SECONDS if runtime.connection.problem else _RETRY_SECONDS


def _is_forced(record: ObjectRecord) -> bool:
    return record.annotations.get(names.FORCE_DELETE) == "true"


def _owner(record: ObjectRecord) -> Owner:
    return Owner(HUBS.kind, record.metadata["name"], record.uid)
