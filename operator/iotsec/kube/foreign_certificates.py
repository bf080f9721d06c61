"""Who shows somebody else's certificate: looked for at every Hub whose clients have to show one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

import orjson
import structlog

from iotsec.broker.bindings import Bindings
from iotsec.broker.connection import UnavailableError
from iotsec.decide.advisories import Issuers, issuers_of
from iotsec.decide.bindings import Holder, mismatches, subject_of
from iotsec.decide.foreign_certificate import Foreign
from iotsec.decide.times import unix
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache, Record
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.secret_cache import SecretCache

log = structlog.get_logger()

_PAUSE_SECONDS = 1.0
_TOLD = b'"type":"ForeignCertificate"'
_AT_ONCE = 500  # identities between two breaths: others have work to do as well


class ForeignCertificates:
    """Looks at who shows what, and queues the identities of whom something else is known than before."""

    def __init__(
        self,
        *,
        queue: WorkQueue[Key],
        hubs: Callable[[], Iterable[HubRuntime]],
        identities: IdentityCache,
        secrets: SecretCache,
    ) -> None:
        self._queue = queue
        self._hubs = hubs
        self._identities = identities
        self._secrets = secrets
        self._bindings: dict[Key, tuple[HubRuntime, Bindings]] = {}

    async def run(self) -> None:
        """Look for ever, at one Hub after the other."""
        while True:
            hubs = {hub.key: hub for hub in self._hubs() if _shows(hub)}
            for hub in self._hubs():
                if _shows_nothing(hub):
                    self._take_in(hub, {})
            for key in self._bindings.keys() - hubs.keys():
                del self._bindings[key]
            for hub in hubs.values():
                try:
                    await self._look(hub)
                except UnavailableError as error:
                    log.debug("certificates not looked at", hub=str(hub.key), error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)

    def counted(self) -> Mapping[tuple[str, ...], float]:
        """Return how many identities show somebody else's, by the namespace and the name of their Hub."""
        return {
            (hub.key.namespace, hub.key.name): float(len(hub.tls.foreign or ())) for hub in self._hubs() if _shows(hub)
        }

    async def _look(self, hub: HubRuntime) -> None:
        known = self._bindings.get(hub.key)
        if known is None or known[0] is not hub:
            known = hub, Bindings(hub.connection, issuers=lambda: _issuers(hub))
            self._bindings[hub.key] = known
        shown = await known[1].look(frozenset(hub.servers.known))
        if shown is None:
            return
        holders = {holder.name: (key, holder) async for key, holder in self._holders(hub)}
        found = mismatches(shown, (holder for _, holder in holders.values()))
        now: dict[Key, tuple[Foreign, ...]] = {holders[name][0]: foreign for name, foreign in found.items()}
        self._take_in(hub, now)

    def _take_in(self, hub: HubRuntime, now: dict[Key, tuple[Foreign, ...]]) -> None:
        """Take note of what is shown, and queue whose status says something else."""
        before = hub.tls.foreign
        if now == before:
            return
        hub.tls.foreign = now
        known = before if before is not None else dict.fromkeys(self._told(hub), ())
        for key in [key for key in now.keys() | known.keys() if now.get(key) != known.get(key)]:
            if key in now:
                subjects = sorted({one.subject for one in now[key]})
                log.warning("foreign certificate", object=str(key), hub=str(hub.key), subjects=subjects)
            self._queue.add(key)

    def _told(self, hub: HubRuntime) -> Iterator[Key]:
        """Yield the identities whose status says that they show somebody else's certificate."""
        for key in self._identities.of_hub((hub.key.namespace, hub.key.name)):
            record = self._identities.get(key)
            if record is not None and _TOLD in record.status:
                yield key

    async def _holders(self, hub: HubRuntime) -> AsyncIterator[tuple[Key, Holder]]:
        accounts = hub.root.accounts if hub.root is not None else {}
        for number, key in enumerate(self._identities.of_hub((hub.key.namespace, hub.key.name))):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            record = self._identities.get(key)
            if record is not None and record.holds_account in accounts:
                yield key, self._holder(key, record, accounts[record.holds_account].public)

    def _holder(self, key: Key, record: Record, account: str) -> Holder:
        owned = self._secrets.owned_by(key.namespace, record.uid)
        note = next((facts.certificate for facts in owned if facts.certificate is not None), None)
        return Holder(
            name=f"{key.kind} {key.namespace}/{key.name}",
            account=account,
            keys=_keys(record),
            id=record.holds_id,
            created=unix(record.created) if record.created else 0,
            digests=(note.key,) if note is not None else (),
            subject=subject_of(note.id) if note is not None else "",
            since=note.issued_at if note is not None else 0,
        )


def _shows(hub: HubRuntime) -> bool:
    return _verified(hub) and hub.view is not None and not hub.connection.problem


def _shows_nothing(hub: HubRuntime) -> bool:
    """Tell whether nobody has to show a certificate to a Hub; not where nobody can tell how it is to be."""
    return hub.view is not None and hub.tls.trouble is None and not _verified(hub)


def _verified(hub: HubRuntime) -> bool:
    settings = hub.tls.settings
    return settings is not None and any(one.verify for name, one in settings.listeners.items() if name in _CLIENTS)


_CLIENTS = frozenset({"client", "websocket", "mqtt"})


def _issuers(hub: HubRuntime) -> Issuers:
    return issuers_of(hub.view) if hub.view is not None else Issuers({}, {})


def _keys(record: Record) -> tuple[str, ...]:
    former: tuple[str, ...] = ()
    if b'"formerKeys"' in record.status:
        former = tuple(str(one["publicKey"]) for one in orjson.loads(record.status)["formerKeys"])
    return tuple(filter(None, (record.holds_key, *former)))
