"""One process: its parts, its endpoints, and kopf around them."""

import asyncio
from contextlib import AsyncExitStack

import kopf

from iotsec import __version__
from iotsec.application import Application, clock
from iotsec.endpoints.metrics import Metrics, MetricsEndpoint, build_info, certificate_mismatches, identities
from iotsec.endpoints.revocation import RevocationEndpoint
from iotsec.kube import handlers
from iotsec.kube.access import Access, find_access
from iotsec.kube.client import Client
from iotsec.kube.pacing import Pacer
from iotsec.settings import Settings

_VALIDITY_SECONDS = 60  # of an answer about a certificate of a Hub whose policy says nothing


class PartEndedError(RuntimeError):
    """A part of the operator ended by itself; the process must be started anew."""


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop.

    Raises:
        PartEndedError: a part of it ended by itself.

    """
    access: Access = find_access(settings.kubeconfig, settings.service_host, settings.service_port)
    pacer = Pacer(settings.writes_per_second)
    async with Client(access, sending=pacer.sending) as client, AsyncExitStack() as open_:
        application = Application(settings, client, pacer)
        await _open_endpoints(open_, settings, application)
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


async def _open_endpoints(open_: AsyncExitStack, settings: Settings, application: Application) -> None:
    """Listen where the settings say so, until the stack is closed.

    Raises:
        OSError: an address is taken.

    """
    if settings.metrics is not None:
        metrics = Metrics()
        metrics.register(
            build_info(__version__),
            identities(application.cache.states),
            certificate_mismatches(application.foreign_certificates.counted),
        )
        scraped = MetricsEndpoint(metrics, host=settings.metrics.host, port=settings.metrics.port)
        open_.push_async_callback(scraped.close)
        await scraped.start()
    if settings.revocation is not None:
        revocation = RevocationEndpoint(
            sources=application.sources,
            clock=clock,
            validity=_VALIDITY_SECONDS,
            host=settings.revocation.host,
            port=settings.revocation.port,
        )
        open_.push_async_callback(revocation.close)
        await revocation.start()
