"""One process: its parts, its endpoints, and kopf around them."""

import asyncio
from contextlib import AsyncExitStack

import kopf

from iotsec import __version__
from iotsec.application import Application, clock
from iotsec.decide.lease import Terms
from iotsec.decide.names import REVOCATION_ADDRESS
from iotsec.endpoints.endpoint import Endpoint
from iotsec.endpoints.metrics import Metrics, MetricsEndpoint, build_info, certificate_mismatches, identities, leader
from iotsec.endpoints.probes import ProbesEndpoint
from iotsec.endpoints.revocation import RevocationEndpoint
from iotsec.kube import handlers
from iotsec.kube.access import Access, find_access
from iotsec.kube.client import Client
from iotsec.kube.duty import Duty
from iotsec.kube.election import Election
from iotsec.kube.keys import Key
from iotsec.kube.pacing import Pacer
from iotsec.kube.resources import LEASES
from iotsec.kube.served_kinds import ServedKinds
from iotsec.settings import Settings, address

_VALIDITY_SECONDS = 60  # of an answer about a certificate of a Hub whose policy says nothing


class PartEndedError(RuntimeError):
    """The process can do no more by itself; it must be started anew."""


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop.

    Raises:
        PartEndedError: a part of it ended by itself, or another replica may work now.

    """
    access: Access = find_access(settings.kubeconfig, settings.service_host, settings.service_port)
    pacer = Pacer(settings.writes_per_second)
    async with AsyncExitStack() as open_:
        election = await _election(open_, settings, access)

        async def sending() -> None:
            await pacer.sending()
            if election is not None:
                election.guard()  # last: the wait before it may have been long

        client = await open_.enter_async_context(Client(access, instance=settings.instance, sending=sending))
        application = Application(settings, client, pacer, leads=lambda: election is None or election.holds)
        process = _Process(settings, application, Duty(application, election, ServedKinds(client)), election)
        open_.push_async_callback(process.close)
        await process.open()
        stop = asyncio.Event()
        process.duty.ended.add_done_callback(lambda _: stop.set())
        await kopf.operator(
            registry=handlers.registry(process, access),
            settings=handlers.operator_settings(),
            clusterwide=True,
            standalone=True,
            stop_flag=stop,
        )
        if process.duty.ended.done() and not process.duty.ended.cancelled():
            raise PartEndedError(f"this process must be started anew: {process.duty.ended.result()}")


async def _election(open_: AsyncExitStack, settings: Settings, access: Access) -> Election | None:
    """Return what decides whether this replica works, if there may be others."""
    if settings.lease is None:
        return None
    terms = Terms(settings.lease_seconds)
    # Its own connections: a renewal waits for nobody, and can be tried again before the time is over.
    client = Client(access, instance=settings.instance, seconds=terms.renew_deadline / 2)
    await open_.enter_async_context(client)
    key = Key(LEASES.kind, settings.lease.namespace, settings.lease.name)
    reached_at = settings.reached_at()
    about = {REVOCATION_ADDRESS: str(reached_at)} if reached_at is not None else {}
    return Election(client, key, identity=settings.instance, terms=terms, about=about)


class _Process:
    """What kopf starts and stops: the duty of this replica, and who may ask about it meanwhile."""

    def __init__(self, settings: Settings, application: Application, duty: Duty, election: Election | None) -> None:
        self.duty = duty
        self._election = election
        self._settings = settings
        self._application = application
        self._open = AsyncExitStack()

    async def start(self) -> None:
        await self.duty.start()

    async def stop(self) -> None:
        await self.duty.stop()
        await self.close()  # here, as kopf waits for seconds for whoever is still connected

    async def close(self) -> None:
        """Listen no more; a second time does nothing."""
        await self._open.aclose()

    async def open(self) -> None:
        """Listen where the settings say so.

        Raises:
            OSError: an address is taken.

        """
        settings, application = self._settings, self._application
        if (url := settings.probe_url()) is not None:
            probes = ProbesEndpoint(
                alive=self.duty.alive, ready=self.duty.ready, path=url.path, host=url.host, port=url.port
            )
            await self._listen(probes)
        if settings.metrics is not None:
            metrics = Metrics()
            metrics.register(
                build_info(__version__),
                leader(lambda: self.duty.leads),
                identities(application.cache.states),
                certificate_mismatches(application.foreign_certificates.counted),
            )
            await self._listen(MetricsEndpoint(metrics, host=settings.metrics.host, port=settings.metrics.port))
        if settings.revocation is not None:
            revocation = RevocationEndpoint(
                sources=application.sources,
                clock=clock,
                validity=_VALIDITY_SECONDS,
                host=settings.revocation.host,
                port=settings.revocation.port,
                elsewhere=self._elsewhere,
            )
            await self._listen(revocation)

    def _elsewhere(self) -> str | None:
        """Return where the replica is that knows which certificates are revoked; ``None``: it is this one."""
        if self._election is None or not self.duty.stands_by:
            return None
        # Whoever may write the Lease says so: an address it is, and what is answered there is signed by a CA.
        told = address(self._election.about_leader.get(REVOCATION_ADDRESS, ""))
        return f"http://{told}" if told is not None else ""

    async def _listen(self, endpoint: Endpoint) -> None:
        self._open.push_async_callback(endpoint.close)
        await endpoint.start()
