"""The wiring of the operator's parts: made, started in order and stopped in reverse."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import structlog

from iotsec.broker.connection import CREDENTIALS_SECONDS
from iotsec.decide import names
from iotsec.decide.network_policies import POLICIES, OperatorPods
from iotsec.decide.revoked_certificates import Sources
from iotsec.decide.trust_bundles import TRUST_BUNDLES
from iotsec.kube.accounts import AccountPusher
from iotsec.kube.certificate_requests import CERTIFICATE_REQUESTS, CertificateOrders
from iotsec.kube.client import Client
from iotsec.kube.election import Election
from iotsec.kube.encryption import Encryption
from iotsec.kube.encryption_at_rest import EncryptionAtRest
from iotsec.kube.errors import ApiError, ConflictError
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.existing_trust import ExistingTrusts
from iotsec.kube.foreign_certificates import ForeignCertificates
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secret_keeper import HubSecretKeeper
from iotsec.kube.hub_secrets import HubSecrets
from iotsec.kube.hub_status import HubTeller
from iotsec.kube.hubs import Hubs
from iotsec.kube.identities import Identities
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.identity_reporter import IdentityReporter
from iotsec.kube.informer import Informer
from iotsec.kube.intake import Intake
from iotsec.kube.key_maker import KeyMaker
from iotsec.kube.key_rotation import KeyRotations
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.ledgers import Ledgers
from iotsec.kube.namespaces import Namespaces
from iotsec.kube.networks import Networks
from iotsec.kube.orphans import Orphans
from iotsec.kube.pacing import Pacer
from iotsec.kube.placements import Placements
from iotsec.kube.presence import Presences
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import (
    CONFIG_MAPS,
    HUBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    SECRETS,
    TLS_POLICIES,
    Selection,
)
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter
from iotsec.kube.tls_authorities import TlsAuthorities
from iotsec.kube.tls_keeper import TlsKeeper
from iotsec.kube.tls_policies import TlsPolicies
from iotsec.kube.tls_policy_teller import TlsPolicyTeller
from iotsec.kube.tls_rollout import TlsRollout
from iotsec.kube.tls_secrets import TlsSecrets
from iotsec.kube.turns import Turns
from iotsec.kube.workloads import Workloads
from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey
from iotsec.settings import Settings
from iotsec.x509.keys import generate

log = structlog.get_logger()

_DRAIN_SECONDS = 1.5  # somebody waits to go on, and every piece of work can be taken up again


def clock() -> int:
    """Return the unix second."""
    return int(time.time())


def entropy() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(32)


def system_credentials(hub: HubRuntime) -> bytes:
    """Mint a creds file for one connection as a system-account user; it is never stored.

    For a trust root that somebody else made it is the one that was given.
    """
    if hub.existing.access is not None:
        return hub.existing.access.contents
    if hub.trust is None:
        raise ValueError("the Hub's keys are not loaded")
    key = SigningKey.generate(KeyType.USER, entropy())
    now = clock()
    token = jwt.encode(
        UserClaims(issuer_account=hub.trust.system.public, limits=UserPermissionLimits()),
        hub.system_signer,
        subject=key.public,
        name="iot-security-operator",
        issued_at=now,
        expires_at=now + CREDENTIALS_SECONDS,
    )
    return creds.format_creds(token, key)


class Application:
    """What an operator process does once it is its turn; ``leads`` tells whether it is that still."""

    def __init__(self, settings: Settings, client: Client, pacer: Pacer, *, leads: Callable[[], bool]) -> None:
        self._settings = settings
        self._client = client
        self.queue: WorkQueue[Key] = WorkQueue(self._lane, lanes=3)
        self.cache = IdentityCache()
        self.secrets = SecretCache()
        self.namespaces = Namespaces(
            changed=lambda name: self._intake.relabelled(name),  # noqa: PLW0108 - made below
            only=settings.namespaces,
        )
        self.events = EventRecorder(client, pacer, instance=settings.instance)
        self._turns = Turns(pacer, self.queue)
        writer = SecretWriter(client, self.secrets)
        keeper = HubSecretKeeper(writer, self.secrets)
        hub_secrets = HubSecrets(writer, self.secrets, keeper, entropy=entropy)
        self.presences = Presences(
            client=client, cache=self.cache, clock=clock, writes_per_second=settings.presence_writes
        )
        self._registry = HubRegistry(self.queue, namespaces=self.namespaces, mint=system_credentials, leads=leads)
        self._policies = TlsPolicies(self.queue)
        self._orders = CertificateOrders(client, self.queue, clock=clock, namespaces=settings.namespaces or (None,))
        self._bundles = Placements(client, TRUST_BUNDLES, CONFIG_MAPS, changed=self.queue.add)
        self._network_policies = Placements(client, POLICIES, NETWORK_POLICIES, changed=self.queue.add)
        port = settings.revocation.port if settings.revocation is not None else None
        networks = Networks(
            client=client,
            queue=self.queue,
            identities=self.cache,
            policies=self._network_policies,
            operator=OperatorPods(settings.namespace, port) if settings.namespace is not None else None,
            labels=self.namespaces.labels,
            hubs=self._registry.runtimes,
        )
        keys = KeyMaker(generate)
        tls_secrets = TlsSecrets(writer, keeper)
        self._encryption = Encryption(
            queue=self.queue,
            policies=self._policies,
            hubs=self._registry,
            keeper=TlsKeeper(
                tls_secrets,
                self.secrets,
                TlsAuthorities(tls_secrets, clock=clock, entropy=entropy, make_key=keys),
                self._orders,
                clock=clock,
                entropy=entropy,
                make_key=keys,
            ),
            keys=keys,
            rollout=TlsRollout(clock=clock),
            bundles=self._bundles,
            namespaces=self.namespaces,
            secrets=self.secrets,
            identities=self.cache,
            teller=TlsPolicyTeller(client, self.queue, self.events, clock=clock),
            answers=settings.revocation is not None,
            clock=clock,
        )
        self.foreign_certificates = ForeignCertificates(
            queue=self.queue, hubs=self._registry.runtimes, identities=self.cache, secrets=self.secrets
        )
        self.hubs = Hubs(
            client=client,
            queue=self.queue,
            registry=self._registry,
            identities=self.cache,
            presences=self.presences,
            secrets=hub_secrets,
            existing=ExistingTrusts(writer, hub_secrets, entropy=entropy, clock=clock),
            rotations=KeyRotations(hub_secrets, self.secrets, self.events, clock=clock, entropy=entropy),
            pusher=AccountPusher(hub_secrets, Ledgers(self.secrets, self.cache, clock=clock), clock=clock),
            encryption=self._encryption,
            at_rest=EncryptionAtRest(writer, keeper, entropy=entropy),
            networks=networks,
            teller=HubTeller(client, self.queue, self.events, clock=clock),
            clock=clock,
        )
        self.identities = Identities(
            client=client,
            queue=self.queue,
            cache=self.cache,
            secrets=self.secrets,
            writer=writer,
            hubs=self._registry,
            reporter=IdentityReporter(client, self.queue, self.cache, self.events),
            workloads=Workloads(client, self.events, clock=clock),
            turns=self._turns,
            orders=self._orders,
            networks=networks,
            clock=clock,
            entropy=entropy,
            keys=keys,
        )
        self.orphans = Orphans(
            client=client,
            queue=self.queue,
            cache=self.cache,
            secrets=self.secrets,
            writer=writer,
            hubs=self._registry,
            clock=clock,
        )
        self._intake = Intake(
            queue=self.queue, cache=self.cache, secrets=self.secrets, hubs=self._registry, changed=networks.changed
        )
        self.informers = [i for namespace in settings.namespaces or (None,) for i in self._informers(namespace)]
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done once a part of the operator ended by itself."""

    def _informers(self, namespace: str | None) -> Iterator[Informer]:
        """Yield what watches one namespace, or all."""
        hubs, policies, intake = self._registry, self._policies, self._intake
        if namespace is None:
            told = self.namespaces
            yield Informer(self._client, Selection(NAMESPACES), upsert=told.upsert, gone=told.gone, metadata_only=True)
        yield Informer(self._client, Selection(HUBS, namespace), upsert=hubs.upsert, gone=hubs.gone)
        yield Informer(self._client, Selection(TLS_POLICIES, namespace), upsert=policies.upsert, gone=policies.gone)
        for placed in (self._bundles, self._network_policies):
            selection = Selection(placed.resource, namespace, labels=placed.labels)
            yield Informer(self._client, selection, upsert=placed.upsert, gone=placed.gone, metadata_only=True)
        yield Informer(
            self._client,
            Selection(SECRETS, namespace, labels=names.COMPONENT),
            upsert=intake.secret,
            gone=intake.secret_gone,
            metadata_only=True,
        )
        for name, kind in IDENTITY_KINDS.items():
            yield Informer(
                self._client,
                Selection(kind.resource, namespace),
                upsert=partial(intake.identity, name),
                gone=lambda where, n, kind=name: intake.identity_gone(Key(kind, where, n)),  # type: ignore[misc]
            )

    async def start(self) -> None:
        """Learn all there is, then start working on it."""
        self._spawn(self.events.run(), "events")
        for informer in self.informers:
            self._spawn(informer.run(), "informer")
        for informer in self.informers:
            await informer.synced.wait()
        self._intake.open()
        for hub in self._bundles.hubs() | self._network_policies.hubs():
            self.queue.add(hub)  # it may be gone, and what it had in other namespaces with it
        self._spawn(self.queue.run_clock(), "clock")
        self._spawn(self.presences.run(), "presence")
        self._spawn(self._orders.run(), "certificate requests")
        self._spawn(self.foreign_certificates.run(), "foreign certificates")
        for number in range(self._settings.workers):
            self._spawn(self._work(), f"worker {number}")
        log.info("started", identities=len(self.cache), action="start")

    def elected(self, election: Election) -> None:
        """Tell that this replica is the one that works from now on."""
        self.events.record(
            Event(
                key=election.key,
                api_version=LEASES.api_version,
                uid=election.uid,
                type="Normal",
                reason="LeaderElected",
                note=f"{election.identity} leads",
                action="elect",
            )
        )

    def problem(self) -> str:
        """Return what keeps it from knowing all there is; empty where nothing does."""
        return next((informer.problem for informer in self.informers if informer.problem), "")

    def longest(self) -> float:
        """Return for how many seconds the longest work on one object goes on."""
        return self.queue.longest()

    async def stop(self) -> None:
        """Finish what is in hand and stop working; what takes too long is taken up again at the next start."""
        if not await self.queue.drain(_DRAIN_SECONDS):
            log.info("work is cut short", seconds=_DRAIN_SECONDS, action="stop")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._turns.close()
        await self._registry.close()
        log.info("stopped", action="stop")

    def sources(self, namespace: str, name: str) -> Sources | None:
        """Return what is told of the certificates of a Hub; ``None`` while nothing is known of them."""
        hub = self._registry.runtime(namespace, name)
        return None if hub is None else hub.tls.sources()

    def _lane(self, key: Key) -> int:
        """Put what cuts off before what lets in: a thousand new Devices must not keep a deleted one connected."""
        if key.kind == HUBS.kind:
            return 0
        record = self.cache.get(key)
        return 1 if record is not None and record.ends and not record.asked else 2

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the process when a task ends that never should: it is started anew, half of it would go on deaf."""
        if not task.cancelled() and not self.failed.done():
            log.error("task ended", task=task.get_name(), action="stop", exc_info=task.exception())
            self.failed.set_result(task.get_name())

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._reconcile(key)
                self.queue.forget(key)
            except ConflictError:
                self.queue.add_failed(key)  # somebody was faster: look again
            except ApiError as error:
                delay = self.queue.add_failed(key, at_least=error.retry_after or 0.0)
                log.warning("request failed", object=str(key), error=str(error), retry_seconds=round(delay, 1))
            except Exception:
                delay = self.queue.add_failed(key)
                log.exception("unexpected failure", object=str(key), retry_seconds=round(delay, 1))
            finally:
                self.queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        if key.kind == HUBS.kind:
            await self.hubs.reconcile(key)
        elif key.kind == TLS_POLICIES.kind:
            await self._encryption.reconcile(key)
        elif key.kind == CERTIFICATE_REQUESTS.kind:
            await self._orders.tidy(key)
        elif key.kind == SECRETS.kind:
            await self.orphans.reconcile(key)
        else:
            await self.identities.reconcile(key)
