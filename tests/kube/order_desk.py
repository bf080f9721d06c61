"""Somebody who orders certificates and waits for them, as the workers for Hubs and identities do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from kube.api_client import api_client
from x509.pki import P256

from iotsec.api.issuers import IssuerRef
from iotsec.decide.orders import Order, OrderState, PlacedOrder
from iotsec.kube.certificate_requests import CERTIFICATE_REQUESTS, CertificateOrders, OrderKey
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.x509.keys import KeyType, PrivateKey, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request
from testbed.api import RequestRefusedError
from testbed.control_plane import ControlPlane
from testbed.crds import cert_manager_crds
from testbed.waiting import until, wait_until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
REQUESTS = "/apis/cert-manager.io/v1/certificaterequests"
DAY = 86_400


def new_order(
    name: str = "weather-01",
    *,
    issuer: str = "plant-ca",
    days: int = 90,
    key_type: KeyType = P256,
    usage: Usage = Usage.CLIENT,
) -> tuple[Order, PrivateKey]:
    """An order for a certificate, by default of a client, and the key that it is for."""
    key = generate(key_type)
    names = Names(name, uris=(f"spiffe://cluster.local/ns/iot/device/{name}",))
    return Order(IssuerRef(name=issuer), names, usage, days * DAY, make_request(key, names, usage)), key


class Desk:
    """Orders in one namespace; `later` moves its clock on."""

    def __init__(self, orders: CertificateOrders, queue: WorkQueue[Key], namespace: str) -> None:
        self.orders = orders
        self.namespace = namespace
        self.open = asyncio.Event()
        """Set for CertificateRequests to be watched."""
        self.later = 0
        self.told: list[Key] = []
        """Who was queued, in order."""
        self.writes = 0
        self._queue = queue

    @property
    def all_told(self) -> bool:
        """Whether nobody is queued who is not in `told` yet."""
        return len(self._queue) == 0

    def key(self, name: str = "weather-01", purpose: str = "") -> OrderKey:
        return Key("Device", self.namespace, name), purpose

    async def place(self, order: Order, private: PrivateKey | None, *, name: str = "weather-01") -> PlacedOrder:
        await self.orders.place(self.key(name), order, private, namespace=self.namespace)
        return self.placed(name)

    def placed(self, name: str = "weather-01") -> PlacedOrder:
        placed = self.orders.placed(self.key(name))
        assert placed is not None
        return placed

    async def wait_for(self, state: OrderState, *, name: str = "weather-01") -> PlacedOrder:
        await until(lambda: self.placed(name).state is state, within=20)
        return self.placed(name)

    async def watch(self) -> None:
        """What the operator does from the first order on."""
        await self.open.wait()
        await self.orders.run()

    async def work(self) -> None:
        """What the operator's workers do with what is queued."""
        while True:
            key = await self._queue.get()
            if key.kind == CERTIFICATE_REQUESTS.kind:
                await self.orders.tidy(key)
            else:
                self.told.append(key)
            self._queue.done(key)


@asynccontextmanager
async def desk_at(
    plane: ControlPlane, namespace: str, *, kubeconfig: Path | None = None, opened_later: bool = False
) -> AsyncIterator[Desk]:
    """A desk that works; at the end it is gone as an operator is that was killed.

    One to be `opened_later` takes orders before it watches what becomes of them, as the operator does for a moment.
    """
    opened: list[Desk] = []

    async def count() -> None:
        opened[0].writes += 1

    async with api_client(kubeconfig or plane.kubeconfig, sending=count) as client:
        queue: WorkQueue[Key] = WorkQueue()
        orders = CertificateOrders(client, queue, clock=lambda: int(time.time()) + opened[0].later, look_seconds=0.1)
        opened.append(Desk(orders, queue, namespace))
        if not opened_later:
            opened[0].open.set()
        tasks = [asyncio.create_task(work) for work in (opened[0].watch(), queue.run_clock(), opened[0].work())]
        try:
            yield opened[0]
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


def install(plane: ControlPlane) -> None:
    """Have cert-manager's CustomResourceDefinitions served."""
    if not _is_served(plane):
        plane.apply(*cert_manager_crds())
    wait_until(lambda: _is_served(plane), what="CertificateRequests are served")


def uninstall(plane: ControlPlane) -> None:
    """Remove cert-manager's CertificateRequests, with all there are."""
    name = "certificaterequests.cert-manager.io"
    with suppress(RequestRefusedError):
        plane.api.request("DELETE", f"{DEFINITIONS}/{name}")
    wait_until(lambda: not _found(lambda: plane.api.request("GET", f"{DEFINITIONS}/{name}")), what="it is gone")
    wait_until(lambda: not _is_served(plane), what="CertificateRequests are served no more")


def requests_in(plane: ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """The CertificateRequests of a namespace."""
    found: list[dict[str, Any]] = plane.api.request("GET", REQUESTS)["items"]
    return [request for request in found if request["metadata"]["namespace"] == namespace]


def delete_requests(plane: ControlPlane, namespace: str) -> None:
    """Delete the CertificateRequests of a namespace."""
    plane.api.request("DELETE", f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificaterequests")


def _is_served(plane: ControlPlane) -> bool:
    return _found(lambda: plane.api.request("GET", REQUESTS))


def _found(look: Callable[[], object]) -> bool:
    try:
        look()
    except RequestRefusedError:
        return False
    return True
