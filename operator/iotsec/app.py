"""The wiring: everything that runs, started in order and stopped in reverse. The only place that knows all of it."""

import asyncio
import os
import time
from collections.abc import Coroutine
from typing import Any

import kopf
import structlog

from iotsec.broker.connection import CREDENTIALS_SECONDS
from iotsec.decide import names
from iotsec.kube import handlers
from iotsec.kube.access import Access, find_access
from iotsec.kube.accounts import AccountPusher
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError, ConflictError
from iotsec.kube.events import EventRecorder
from iotsec.kube.existing_trust import ExistingTrusts
from iotsec.kube.hub_registry import HubRegistry
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secrets import HubSecrets
from iotsec.kube.hub_status import HubTeller
from iotsec.kube.hubs import Hubs
from iotsec.kube.identities import Identities
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.identity_reporter import IdentityReporter
from iotsec.kube.informer import Informer
from iotsec.kube.intake import Intake
from iotsec.kube.key_rotation import KeyRotations
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.ledgers import Ledgers
from iotsec.kube.namespaces import Namespaces
from iotsec.kube.orphans import Orphans
from iotsec.kube.pacing import Pacer
from iotsec.kube.presence import Presences
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS, NAMESPACES, SECRETS
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter
from iotsec.kube.turns import Turns
from iotsec.kube.workloads import Workloads
from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey
from iotsec.settings import Settings

log = structlog.get_logger()


def _clock() -> int:
    return int(time.time())


def _entropy() -> bytes:
    return os.urandom(32)


def system_credentials(hub: HubRuntime) -> bytes:
    """Mint a creds file for one connection as a system-account user; it is never stored.

    For a trust root that somebody else made it is the one that was given.
    """
    if hub.existing.access is not None:
        return hub.existing.access.contents
    if hub.trust is None:
        raise ValueError("the Hub's keys are not loaded")
    key = SigningKey.generate(KeyType.USER, _entropy())
    now = _clock()
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
    """One operator process."""

    def __init__(self, settings: Settings, client: Client, pacer: Pacer) -> None:
        self._settings = settings
        self._client = client
        self.queue: WorkQueue[Key] = WorkQueue(self._lane, lanes=3)
        self.cache = IdentityCache()
        self.secrets = SecretCache()
        self.namespaces = Namespaces(changed=lambda name: self._intake.relabelled(name))  # noqa: PLW0108 - made below
        self.events = EventRecorder(client, pacer, instance=settings.instance)
        self._turns = Turns(pacer, self.queue)
        writer = SecretWriter(client, self.secrets)
        hub_secrets = HubSecrets(writer, self.secrets, entropy=_entropy)
        self.presences = Presences(
            client=client, cache=self.cache, clock=_clock, writes_per_second=settings.presence_writes
        )
        self._registry = HubRegistry(self.queue, namespaces=self.namespaces, mint=system_credentials)
        self.hubs = Hubs(
            client=client,
            queue=self.queue,
            registry=self._registry,
            identities=self.cache,
            presences=self.presences,
            secrets=hub_secrets,
            existing=ExistingTrusts(writer, hub_secrets, entropy=_entropy, clock=_clock),
            rotations=KeyRotations(hub_secrets, self.secrets, self.events, clock=_clock, entropy=_entropy),
            pusher=AccountPusher(hub_secrets, Ledgers(self.secrets, self.cache, clock=_clock), clock=_clock),
            teller=HubTeller(client, self.queue, self.events, clock=_clock),
            clock=_clock,
        )
        self.identities = Identities(
            client=client,
            queue=self.queue,
            cache=self.cache,
            secrets=self.secrets,
            writer=writer,
            hubs=self._registry,
            reporter=IdentityReporter(client, self.queue, self.cache, self.events),
            workloads=Workloads(client, self.events, clock=_clock),
            turns=self._turns,
            clock=_clock,
            entropy=_entropy,
        )
        self.orphans = Orphans(
            client=client,
            queue=self.queue,
            cache=self.cache,
            secrets=self.secrets,
            writer=writer,
            hubs=self._registry,
            clock=_clock,
        )
        self._intake = Intake(queue=self.queue, cache=self.cache, secrets=self.secrets, hubs=self._registry)
        self.informers = [
            Informer(client, HUBS, upsert=self._registry.upsert, gone=self._registry.gone),
            Informer(client, NAMESPACES, upsert=self.namespaces.upsert, gone=self.namespaces.gone, metadata_only=True),
            Informer(
                client,
                SECRETS,
                upsert=self._intake.secret,
                gone=self._intake.secret_gone,
                selector=names.COMPONENT,
                metadata_only=True,
            ),
            *(
                Informer(
                    client,
                    kind.resource,
                    upsert=lambda item, name=name: self._intake.identity(name, item),  # type: ignore[misc]
                    gone=lambda namespace, n, name=name: self._intake.identity_gone(Key(name, namespace, n)),  # type: ignore[misc]
                )
                for name, kind in IDENTITY_KINDS.items()
            ),
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done once a part of the operator ended by itself."""

    async def start(self) -> None:
        """Learn all there is, then start working on it."""
        self._spawn(self.events.run(), "events")
        for informer in self.informers:
            self._spawn(informer.run(), "informer")
        for informer in self.informers:
            await informer.synced.wait()
        self._intake.open()
        self._spawn(self.queue.run_clock(), "clock")
        self._spawn(self.presences.run(), "presence")
        for number in range(self._settings.workers):
            self._spawn(self._work(), f"worker {number}")
        log.info("started", identities=len(self.cache), action="start")

    async def stop(self) -> None:
        """Stop working; what was under way is taken up again at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._turns.close()
        await self._registry.close()
        self.failed.cancel()  # nobody need wait for it any more: kopf would, for five seconds
        log.info("stopped", action="stop")

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
        elif key.kind == SECRETS.kind:
            await self.orphans.reconcile(key)
        else:
            await self.identities.reconcile(key)


class PartEndedError(RuntimeError):
    """A part of the operator ended by itself; the process must be started anew."""


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop.

    Raises:
        PartEndedError: a part of it ended by itself.

    """
    access: Access = find_access(settings.kubeconfig, settings.service_host, settings.service_port)
    pacer = Pacer(settings.writes_per_second)
    async with Client(access, sending=pacer.sending) as client:
        application = Application(settings, client, pacer)
        registry = handlers.registry(application, access)
        stop = asyncio.Event()
        application.failed.add_done_callback(lambda _: stop.set())
        await kopf.operator(
            registry=registry,
            settings=handlers.operator_settings(),
            clusterwide=True,
            standalone=True,
            liveness_endpoint=settings.liveness,
            stop_flag=stop,
        )
        if application.failed.done() and not application.failed.cancelled():
            raise PartEndedError(application.failed.result())
