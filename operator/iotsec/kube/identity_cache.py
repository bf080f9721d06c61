"""What the watch of the identities told: slim records, and who shares a Hub, an id or a public key."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, TypeVar

import orjson

from iotsec.decide.names import FINALIZER
from iotsec.decide.views import Identity, Rival
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS


@dataclass(slots=True)
class Record:
    """One identity, as small as decisions allow: spec and status stay JSON until they are needed."""

    uid: str
    generation: int
    resource_version: str
    created: str
    deleting: bool
    finalized: bool
    hub: tuple[str, str]
    id: str
    public_key: str
    account: str
    holds: str
    """The id that its status says it holds."""
    spec: bytes
    status: bytes


T = TypeVar("T")

SameAccount = Callable[[Key, Record, Key, Record], bool]
"""Tells whether two identities of one Hub are in one account."""


def canonical(value: Any) -> bytes:
    """Serialise so that equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class IdentityCache:
    """Every identity of every kind, by key, with the indices that uniqueness and Hubs need."""

    def __init__(self) -> None:
        self._records: dict[Key, Record] = {}
        self._by_hub: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)
        self._by_id: defaultdict[tuple[tuple[str, str], str], set[Key]] = defaultdict(set)
        self._by_key: defaultdict[tuple[tuple[str, str], str], set[Key]] = defaultdict(set)

    def get(self, key: Key) -> Record | None:
        """Return the record of one identity."""
        return self._records.get(key)

    def __len__(self) -> int:
        return len(self._records)

    def of_hub(self, hub: tuple[str, str]) -> Iterator[Key]:
        """Yield the identities that name this Hub."""
        yield from tuple(self._by_hub.get(hub, ()))

    def upsert(self, kind: str, item: Mapping[str, Any]) -> tuple[Key, bool, set[Key]]:
        """Take in an object; return its key, whether it needs work, and whom its change may have set free."""
        record = _record(kind, item)
        metadata = item["metadata"]
        key = Key(kind, intern(metadata["namespace"]), metadata["name"])
        before = self._records.get(key)
        if before and before.uid == record.uid and int(record.resource_version) <= int(before.resource_version):
            return key, False, set()
        freed: set[Key] = set()
        if before is not None and (before.hub, before.id, before.public_key, before.account) != (
            record.hub,
            record.id,
            record.public_key,
            record.account,
        ):
            freed = self._unindex(key, before)
            before = None if before.uid != record.uid else before
        self._records[key] = record
        self._index(key, record)
        work = before is None or (
            (before.uid, before.generation, before.deleting, before.finalized, before.status)
            != (record.uid, record.generation, record.deleting, record.finalized, record.status)
        )
        return key, work or bool(freed), freed - {key}

    def remove(self, key: Key) -> set[Key]:
        """Forget an identity; return whom that may have set free."""
        record = self._records.pop(key, None)
        return self._unindex(key, record) if record else set()

    def wrote_status(self, key: Key, status: Mapping[str, Any]) -> None:
        """Remember a status we are writing, so that its echo is no news."""
        if record := self._records.get(key):
            record.status = canonical(status)
            record.holds = str(status.get("deviceId", ""))

    def identity(self, key: Key) -> Identity | None:
        """Return an identity as decisions take it.

        Raises:
            SpecError: its spec is not valid.

        """
        record = self._records.get(key)
        if record is None:
            return None
        spec = IDENTITY_KINDS[key.kind].spec.parse(orjson.loads(record.spec))
        return Identity(
            kind=key.kind,
            namespace=key.namespace,
            name=key.name,
            uid=record.uid,
            generation=record.generation,
            created=record.created,
            deleting=record.deleting,
            finalized=record.finalized,
            id=record.id,
            role=spec.role,
            spec=spec,
            status=orjson.loads(record.status),
        )

    def id_rival(self, key: Key, same_account: SameAccount) -> Rival | None:
        """Return who holds this identity's id in its account, if somebody else came first."""
        record = self._records[key]
        return self._rival(key, self._by_id.get((record.hub, record.id), set()), same_account, by_id=True)

    def key_rival(self, key: Key, same_account: SameAccount) -> Rival | None:
        """Return who holds this identity's public key, if somebody else came first."""
        record = self._records[key]
        if not record.public_key:
            return None
        return self._rival(key, self._by_key.get((record.hub, record.public_key), set()), same_account, by_id=False)

    def _rival(self, key: Key, asking: set[Key], same_account: SameAccount, *, by_id: bool) -> Rival | None:
        if len(asking) < 2:  # noqa: PLR2004 - itself
            return None
        mine = self._records[key]
        others = [k for k in asking if k != key and same_account(key, mine, k, self._records[k])]
        first = min((*others, key), key=lambda k: self._precedence(k, by_id=by_id))
        return None if first == key else Rival(first.kind, first.namespace, first.name)

    def _precedence(self, key: Key, *, by_id: bool) -> tuple[bool, str, str]:
        record = self._records[key]
        holds = record.holds == record.id if by_id else bool(record.holds)
        return (not holds, record.created, record.uid)

    def _index(self, key: Key, record: Record) -> None:
        self._by_hub[record.hub].add(key)
        self._by_id[record.hub, record.id].add(key)
        if record.public_key:
            self._by_key[record.hub, record.public_key].add(key)

    def _unindex(self, key: Key, record: Record) -> set[Key]:
        _discard(self._by_hub, record.hub, key)
        return _discard(self._by_id, (record.hub, record.id), key) | _discard(
            self._by_key, (record.hub, record.public_key), key
        )


def _discard(index: dict[T, set[Key]], entry: T, key: Key) -> set[Key]:
    """Take a key out of one entry of an index; return who is left there."""
    members = index.get(entry)
    if members is None:
        return set()
    members.discard(key)
    if not members:
        del index[entry]
    return set(members)


def _record(kind: str, item: Mapping[str, Any]) -> Record:
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    reference = spec.get("hubRef") or {}
    id_field = IDENTITY_KINDS[kind].id_field
    own_id = spec.get(id_field) if id_field else None
    return Record(
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        resource_version=metadata["resourceVersion"],
        created=metadata.get("creationTimestamp", ""),
        deleting="deletionTimestamp" in metadata,
        finalized=FINALIZER in (metadata.get("finalizers") or ()),
        hub=(intern(reference.get("namespace") or metadata["namespace"]), intern(reference.get("name", ""))),
        id=own_id or metadata["name"],
        public_key=spec.get("publicKey", ""),
        account=intern(spec.get("account", "")),
        holds=str(status.get("deviceId", "")),
        spec=canonical(spec),
        status=canonical(status),
    )
