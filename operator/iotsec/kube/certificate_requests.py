"""Orders at cert-manager: CertificateRequests that are placed, watched and cleared away.

The private keys of open orders are in memory alone: after a restart a request that nobody knows is deleted, and what
it was for is ordered anew.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog

from iotsec.decide import certificate_requests as requests
from iotsec.decide.orders import Answer, Order, OrderState, PlacedOrder
from iotsec.decide.secrets import Owner
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError, NotFoundError
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import Resource, Selection
from iotsec.kube.where_served import WhereServed
from iotsec.x509.keys import PrivateKey

CERTIFICATE_REQUESTS = Resource(requests.GROUP, requests.VERSION, "certificaterequests", requests.KIND)

OrderKey = tuple[Key, str]
"""Whom a certificate is for, who is queued when it is there, and which of its certificates it is."""

_LOOK_SECONDS = 10.0
_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY}

log = structlog.get_logger()


@dataclass(slots=True)
class _Entry:
    """One order and its CertificateRequest."""

    order: Order
    key: PrivateKey | None = field(repr=False)
    namespace: str
    name: str
    placed_at: int
    refusals: int = 0
    """How often in a row this was refused."""
    uid: str = ""
    """Of the CertificateRequest; empty where there is none that we know of."""
    status: Mapping[str, Any] = field(default_factory=dict)
    answer: Answer = field(default_factory=Answer)
    retry_at: int = 0

    @property
    def placed(self) -> PlacedOrder:
        """The order as others see it."""
        found = self.answer
        return PlacedOrder(
            self.order,
            self.key,
            found.state,
            found.message,
            found.certificate,
            found.root,
            expires_at=found.expires_at,
            retry_at=self.retry_at,
        )


class CertificateOrders:
    """What was ordered and what came of it: one order for each key, the last one."""

    def __init__(
        self,
        client: Client,
        queue: WorkQueue[Key],
        *,
        clock: Callable[[], int],
        look_seconds: float = _LOOK_SECONDS,
        namespaces: Sequence[str | None] = (None,),
    ) -> None:
        """Prepare; where cert-manager is not installed it is looked for every ``look_seconds``.

        Orders may be placed in ``namespaces``; ``None`` stands for all.
        """
        self._client = client
        self._queue = queue
        self._clock = clock
        self._book: dict[OrderKey, _Entry] = {}
        self._keys: dict[tuple[str, str], OrderKey] = {}
        self._strays: dict[tuple[str, str], str] = {}
        self._needed = asyncio.Event()
        self._informers = [
            WhereServed(
                client,
                Selection(CERTIFICATE_REQUESTS, namespace=namespace, labels=requests.SELECTOR),
                upsert=self._upsert,
                gone=self._gone,
                served=self._served,
                look_seconds=look_seconds,
            )
            for namespace in namespaces
        ]
        self.problem = ""
        """Why nothing can be ordered at all; empty where it can."""

    async def run(self) -> None:
        """Watch CertificateRequests for ever, from the first order on: most clusters have none."""
        await self._needed.wait()
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run(), name="certificate requests")

    def placed(self, key: OrderKey) -> PlacedOrder | None:
        """Return what was ordered last, and what came of it."""
        entry = self._book.get(key)
        if entry is None:
            return None
        self._look(key, entry)
        return entry.placed

    async def place(
        self, key: OrderKey, order: Order, private: PrivateKey | None, *, namespace: str, owner: Owner | None = None
    ) -> None:
        """Order a certificate for a key of ours, or with the device's own request where ``private`` is ``None``.

        Nothing happens where the same was ordered already, and may not be ordered again yet. Who is in the key is
        queued when there is an answer, or something to tell of it. The CertificateRequest is made in ``namespace``,
        where its issuer is, and goes with its ``owner``, an object of ours in there.

        Raises:
            ApiError: nothing can be ordered now; try again.

        """
        self._needed.set()
        now, former = self._clock(), self._book.get(key)
        entry = _Entry(order, private, namespace, requests.request_name(_called(key), order, now=now), now)
        if former is not None:
            self._look(key, former)
            if former.placed.is_for(order, private):
                if former.answer.state is not OrderState.REFUSED or now < former.retry_at:
                    return
                entry.refusals = former.refusals
            await self.done(key)
        # Known before it exists: else the watch would take it for one that nobody knows.
        self._book[key], self._keys[namespace, entry.name] = entry, key
        why = requests.obstacle(order) or self.problem
        if why:
            self._refuse(key, entry, why)
        else:
            await self._create(key, entry, owner)

    async def done(self, key: OrderKey) -> None:
        """Forget an order, whose certificate was taken or is not wanted any more, and delete its request."""
        entry = self._book.get(key)
        if entry is None:
            return
        self._forget(key, entry)
        if entry.uid:
            try:
                await self._delete(entry.namespace, entry.name, entry.uid)
            except ApiError:
                self._stray(entry.namespace, entry.name, entry.uid)

    async def tidy(self, key: Key) -> None:
        """Delete a CertificateRequest of ours that nobody knows of; queued by the watch.

        Raises:
            ApiError: it cannot be deleted now; try again.

        """
        if uid := self._strays.get((key.namespace, key.name)):
            await self._delete(key.namespace, key.name, uid)
            self._strays.pop((key.namespace, key.name), None)

    async def _create(self, key: OrderKey, entry: _Entry, owner: Owner | None) -> None:
        annotations = {requests.ORDER: " ".join(filter(None, (str(key[0]), key[1])))}
        body = requests.manifest(
            entry.order, namespace=entry.namespace, name=entry.name, owner=owner, annotations=annotations
        )
        try:
            created = await self._client.create(CERTIFICATE_REQUESTS, entry.namespace, body)
        except NotFoundError:
            self._refuse(key, entry, requests.NOT_INSTALLED)
        except ApiError as error:
            if error.code not in _REFUSED:
                self._forget(key, entry)  # if it was made all the same, the watch will show it
                raise
            self._refuse(key, entry, str(error))
        else:
            entry.uid = created["metadata"]["uid"]
            for informer in self._informers:
                informer.expect(entry.namespace, entry.name)
            self._queue.add_after(key[0], requests.SILENCE_SECONDS)
            log.info("certificate ordered", object=str(key[0]), request=f"{entry.namespace}/{entry.name}")

    async def _delete(self, namespace: str, name: str, uid: str) -> None:
        with suppress(NotFoundError):
            await self._client.delete(CERTIFICATE_REQUESTS, namespace, name, uid=uid)

    def _look(self, key: OrderKey, entry: _Entry) -> None:
        """See what has become of an order by now."""
        now = self._clock()
        if entry.answer.state is OrderState.SIGNED and entry.answer.expires_at <= now:
            self._refuse(key, entry, "the certificate ended before it was used")
        if entry.answer.state is not OrderState.OPEN:
            return
        body = {"metadata": {"namespace": entry.namespace, "name": entry.name}, "status": entry.status}
        entry.answer = requests.answer(entry.order, body, placed_at=entry.placed_at, now=now)
        if entry.answer.state is OrderState.REFUSED:
            self._back_off(key, entry)
        elif entry.answer.starts_at > now:
            self._queue.add_after(key[0], entry.answer.starts_at - now)

    def _refuse(self, key: OrderKey, entry: _Entry, why: str) -> None:
        entry.answer = requests.refused(entry.order, why)
        self._back_off(key, entry)
        self._queue.add(key[0])

    def _back_off(self, key: OrderKey, entry: _Entry) -> None:
        entry.refusals += 1
        wait = requests.back_off(entry.refusals)
        entry.retry_at = self._clock() + wait
        self._queue.add_after(key[0], wait)
        log.warning("certificate refused", object=str(key[0]), error=entry.answer.message, retry_seconds=wait)

    def _forget(self, key: OrderKey, entry: _Entry) -> None:
        del self._book[key], self._keys[entry.namespace, entry.name]

    def _stray(self, namespace: str, name: str, uid: str) -> None:
        self._strays[namespace, name] = uid
        self._queue.add(Key(CERTIFICATE_REQUESTS.kind, namespace, name))

    def _upsert(self, body: Mapping[str, Any]) -> None:
        metadata = body["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        key = self._keys.get((namespace, name))
        if key is None:
            if "deletionTimestamp" not in metadata:
                self._stray(namespace, name, metadata["uid"])
            return
        entry = self._book[key]
        before = entry.answer
        entry.uid, entry.status = metadata["uid"], body.get("status") or {}
        self._look(key, entry)
        if entry.answer != before:
            self._queue.add(key[0])

    def _gone(self, namespace: str, name: str) -> None:
        self._strays.pop((namespace, name), None)
        key = self._keys.get((namespace, name))
        if key is not None:
            entry = self._book[key]
            entry.uid = ""
            if entry.answer.state is OrderState.OPEN:  # an answer that was read counts, whatever became of it
                self._refuse(key, entry, self.problem or requests.DELETED)

    def _served(self, *, served: bool) -> None:
        """Take in whether there are CertificateRequests at all; who could order nothing before may order now."""
        before, self.problem = self.problem, "" if served else requests.NOT_INSTALLED
        if before == self.problem:
            return
        for key, entry in tuple(self._book.items()):
            if not entry.uid and entry.answer.state is OrderState.REFUSED and served:
                self._forget(key, entry)
            self._queue.add(key[0])


def _called(key: OrderKey) -> str:
    return "-".join(filter(None, (key[0].name, key[0].kind.lower(), key[1])))
