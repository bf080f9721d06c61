"""One of several replicas works: whoever holds the Lease, and only while it surely does (`docs/adr/0022-lease.md`)."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import structlog

from iotsec.api.meta import GROUP
from iotsec.decide import lease
from iotsec.decide.lease import Observed, Record, Terms
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError, ConflictError, NotFoundError
from iotsec.kube.informer import Informer
from iotsec.kube.keys import Key
from iotsec.kube.resources import LEASES, Selection

log = structlog.get_logger()


class NotLeaderError(ApiError):
    """Another replica may work now; nothing may be changed by this one."""

    def __init__(self) -> None:
        super().__init__(0, "NotLeader", "this replica does not hold the lease any more")


def awake_or_not() -> float:
    """Return seconds that never jump, and go on while the machine is suspended: a Lease runs out meanwhile, too.

    `CLOCK_BOOTTIME` of clock_gettime(2), which Linux has; elsewhere what Python calls monotonic.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


async def _to_its_end(asking: Coroutine[Any, Any, bool]) -> bool:
    """Await what must not be cut short: who asked for the lease and was told to stop may hold it, and gives it up."""
    task = asyncio.create_task(asking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class _LostError(Exception):
    """The lease is somebody else's, or gone."""


class Election:
    """One process of those who want a Lease.

    ``clock`` never jumps and ``now`` tells unix time, both in seconds. ``client`` is for this alone: what else is asked
    of the API server must not keep a renewal waiting. ``about`` are the Lease's annotations while it is ours.
    """

    def __init__(
        self,
        client: Client,
        key: Key,
        *,
        identity: str,
        terms: Terms,
        about: Mapping[str, str] | None = None,
        clock: Callable[[], float] = awake_or_not,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self.key = key
        self.identity = identity
        self.terms = terms
        self._about = about or {}
        self.about_leader: Mapping[str, str] = {}
        """The annotations of the Lease, as they were seen while this process stood by."""
        self._clock = clock
        self._now = now
        self._observed: Observed | None = None
        self._absent_since = float("-inf")
        self._heard_at = clock()
        self._stirred = asyncio.Event()
        self._record: Record
        """What we wrote last; with its version and the Lease's uid."""
        self._version = ""
        self.uid = ""
        self._until = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether this process may work now: nobody else does before its last renewal is older than they wait."""
        return self._clock() < self._until

    @property
    def unheard(self) -> float:
        """Seconds since anything was heard of the Lease."""
        return self._clock() - self._heard_at

    def guard(self) -> None:
        """Raise `NotLeaderError` unless this process may work now."""
        if not self.holds:
            raise NotLeaderError

    async def win(self) -> None:
        """Wait until this process holds the lease."""
        selection = Selection(LEASES, namespace=self.key.namespace, name=self.key.name)
        informer = Informer(self._client, selection, upsert=self._seen, gone=self._vanished)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(informer.run(), name="lease watch")
            await informer.synced.wait()
            self._heard_at = self._clock()
            log.info("stands by", lease=self.key.place, holder=self._holder(), action="elect")
            await self._win()
            watching.cancel()
        log.info("leads", lease=self.key.place, instance=self.identity, action="elect")

    async def keep(self) -> None:
        """Renew the lease; returns when it is lost, however that came."""
        while True:
            await asyncio.sleep(self.terms.retry)
            if not self.holds:
                break  # it was frozen meanwhile, or nothing answered in time
            try:
                async with asyncio.timeout(self._until - self._clock()):
                    await self._rewrite(lease.renewed(self._record, self._now()), renews=True)
            except _LostError as error:
                self._until = float("-inf")
                log.warning("lease lost", lease=self.key.place, error=str(error), action="elect")
                return
            except (ApiError, TimeoutError) as error:
                log.warning("lease not renewed", lease=self.key.place, error=str(error), action="elect")
        log.warning("lease lost", lease=self.key.place, error="it could not be renewed in time", action="elect")

    async def release(self) -> None:
        """Give the lease up, if it is held: whoever stands by need not wait until it runs out."""
        if not self.holds:
            return
        left, self._until = self._until - self._clock(), float("-inf")
        try:
            async with asyncio.timeout(left):
                await self._rewrite(lease.released(self._record, self._now()), annotations=dict.fromkeys(self._about))
        except (_LostError, ApiError, TimeoutError) as error:
            log.warning("lease not released", lease=self.key.place, error=str(error), action="elect")
        else:
            log.info("lease released", lease=self.key.place, action="elect")

    async def _win(self) -> None:
        while True:
            self._stirred.clear()
            wait = self._free_at() - self._clock()
            if wait <= 0:
                if await _to_its_end(self._take()):
                    return
                wait = self.terms.retry
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stirred.wait()

    def _free_at(self) -> float:
        if self._observed is not None:
            return lease.free_at(self._observed)
        return self._absent_since + self.terms.duration

    async def _take(self) -> bool:
        """Try to take what seems free; whoever is faster than we makes the API server refuse it."""
        before, sent = self._observed, self._clock()
        record = lease.taken(before.record if before else None, self.identity, self.terms, self._now())
        try:
            if before is None:
                body = {
                    "apiVersion": LEASES.api_version,
                    "kind": LEASES.kind,
                    "metadata": {
                        "name": self.key.name,
                        "namespace": self.key.namespace,
                        "annotations": dict(self._about),
                    },
                    "spec": lease.spec_of(record),
                }
                answer = await self._client.create(LEASES, self.key.namespace, body)
                self._held(record, answer, sent)
            else:
                await self._write(record, before.version, sent=sent, annotations=self._about_us())
        except ConflictError:
            return False
        except ApiError as error:
            log.warning("lease not taken", lease=self.key.place, error=str(error), action="elect")
            return False
        return True

    async def _rewrite(
        self, record: Record, *, renews: bool = False, annotations: Mapping[str, str | None] | None = None
    ) -> None:
        """Write another record onto the Lease that is ours.

        Raises:
            _LostError: it is no longer.
            ApiError: nobody knows.

        """
        sent = self._clock()
        try:
            try:
                await self._write(record, self._version, sent=sent if renews else None, annotations=annotations)
            except ConflictError:
                # Touched by somebody's hand, or by a request of ours whose answer was lost, it is ours all the same.
                found = await self._client.get(LEASES, self.key.namespace, self.key.name)
                if lease.read(found).tenure != self._record.tenure:
                    raise _LostError(f"{lease.read(found).tenure.holder or 'nobody'} holds it") from None
                version, sent = found["metadata"]["resourceVersion"], self._clock()
                await self._write(record, version, sent=sent if renews else None, annotations=annotations)
        except NotFoundError:
            raise _LostError("somebody deleted it") from None

    async def _write(
        self,
        record: Record,
        version: str,
        *,
        sent: float | None = None,
        annotations: Mapping[str, str | None] | None = None,
    ) -> None:
        """Change the Lease as it was at a version; with ``sent``, it is ours from then."""
        metadata = {"resourceVersion": version, "annotations": annotations or {}}
        body = {"metadata": metadata, "spec": lease.spec_of(record)}
        answer = await self._client.merge_patch(LEASES, self.key.namespace, self.key.name, body)
        if sent is not None:
            self._held(record, answer, sent)

    def _held(self, record: Record, answer: Mapping[str, Any], sent: float) -> None:
        """Take note that the lease is ours, counted from before the request: others count from when they see it."""
        metadata = answer["metadata"]
        self._record, self._version, self.uid = record, metadata["resourceVersion"], metadata["uid"]
        self._until = sent + self.terms.renew_deadline

    def _seen(self, item: Mapping[str, Any]) -> None:
        self._heard_at = self._clock()
        self._observed = lease.observe(self._observed, item, self._heard_at)
        self.about_leader = item["metadata"].get("annotations") or {}
        self._stirred.set()

    def _vanished(self, _: str, __: str) -> None:
        """Take note that somebody deleted it: whoever held it may not know yet."""
        self._heard_at = self._absent_since = self._clock()
        self._observed = None
        self._stirred.set()

    def _about_us(self) -> dict[str, str | None]:
        """Return our annotations, and none of a former holder's."""
        former = dict.fromkeys(name for name in self.about_leader if name.startswith(f"{GROUP}/"))
        return {**former, **self._about}

    def _holder(self) -> str:
        return self._observed.record.tenure.holder if self._observed else ""
