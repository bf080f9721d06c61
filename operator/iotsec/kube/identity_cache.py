"""What the watch of the identities told: slim records, and who shares a Hub, an id or a public key."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, TypeVar

import orjson

from iotsec.api.model import SpecError
from iotsec.decide.names import FINALIZER, ROTATE
from iotsec.decide.views import Declared, Identity, Rival
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
    holds_id: str
    """The id that its status says it holds."""
    holds_key: str
    """The public key that its status says it holds."""
    holds_account: str
    holds_role: str
    rotate: str
    """The token of the annotation that asks for a rotation now."""
    spec: bytes
    status: bytes
    asked: bool = False
    """Its end was handed to the Hub; what is left to do is to tidy up."""
    released: bool = False
    """It is deleted, all of it is cut off and tidied up; its object is there for as long as others want."""

    @property
    def ends(self) -> bool:
        """Whether it is to be cut off: deleted, or suspended."""
        return self.deleting or b'"suspended":true' in self.spec

    @property
    def key(self) -> str:
        """The public key it asks for, or was given."""
        return self.public_key or self.holds_key


T = TypeVar("T")

AccountOf = Callable[[Key, Record], str | None]
"""Tells which account of its Hub an identity is in, or ``None`` where it is in none."""


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
        self._by_namespace: defaultdict[str, set[Key]] = defaultdict(set)

    def get(self, key: Key) -> Record | None:
        """Return the record of one identity."""
        return self._records.get(key)

    def __len__(self) -> int:
        return len(self._records)

    def states(self) -> Iterator[tuple[str, bool]]:
        """Yield the kind of each identity, and whether it is Ready, by its status, whose keys are sorted."""
        for key, record in self._records.items():
            yield key.kind, b'"status":"True","type":"Ready"' in record.status

    def of_hub(self, hub: tuple[str, str]) -> Iterator[Key]:
        """Yield the identities that name this Hub."""
        yield from tuple(self._by_hub.get(hub, ()))

    def asking(self, hub: tuple[str, str], *, id_: str, public_key: str) -> set[Key]:
        """Return who asks for an id or a public key in a Hub, or has it."""
        return self._by_id.get((hub, id_), set()) | self._by_key.get((hub, public_key), set())

    def touched_by_namespace(self, namespace: str) -> set[Key]:
        """Return the identities of a namespace, and those elsewhere that share an id or a public key with one."""
        found: set[Key] = set()
        for key in self._by_namespace.get(namespace, ()):
            found.add(key)
            found |= self._sharing(self._records[key])
        return found

    def role_users(self, hub: tuple[str, str]) -> dict[tuple[str, str], list[str]]:
        """Return who was granted which role in which account of a Hub, by their statuses."""
        found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for key in self.of_hub(hub):
            record = self._records[key]
            if record.holds_role:
                found[record.holds_account, record.holds_role].append(str(key))
        return dict(found)

    def upsert(self, kind: str, item: Mapping[str, Any]) -> tuple[Key, bool, set[Key]]:
        """Take in an object; return its key, whether it needs work, and whom its change may concern."""
        record = _record(kind, item)
        metadata = item["metadata"]
        key = Key(kind, intern(metadata["namespace"]), metadata["name"])
        before = self._records.get(key)
        if before and before.uid == record.uid and int(record.resource_version) <= int(before.resource_version):
            return key, False, set()
        record.released = before is not None and before.uid == record.uid and before.released
        concerned: set[Key] = set()
        if before is not None and _claims(before) != _claims(record):
            concerned = self._unindex(key, before)
        self._records[key] = record
        self._by_namespace[key.namespace].add(key)
        self._index(key, record)
        if before is not None and record.deleting and not before.deleting:
            concerned |= self._sharing(record)  # they wait for it now, and were told to change something before
        work = before is None or (
            (before.uid, before.generation, before.deleting, before.finalized, before.rotate, before.status)
            != (record.uid, record.generation, record.deleting, record.finalized, record.rotate, record.status)
        )
        return key, work, concerned - {key}

    def remove(self, key: Key) -> set[Key]:
        """Forget an identity; return whom that may have set free."""
        record = self._records.pop(key, None)
        _discard(self._by_namespace, key.namespace, key)
        return self._unindex(key, record) if record else set()

    def wrote_status(self, key: Key, status: Mapping[str, Any]) -> None:
        """Remember a status we are writing, so that its echo is no news."""
        if record := self._records.get(key):
            self._unindex(key, record)
            record.status = canonical(status)
            record.holds_id, record.holds_key, record.holds_account, record.holds_role = _held(status)
            self._index(key, record)

    def release(self, key: Key, uid: str) -> None:
        """Remember that nothing is left to be done for an identity that is going."""
        record = self._records.get(key)
        if record is not None and record.uid == uid:
            record.released = True

    def identity(self, key: Key) -> Declared | None:
        """Return an identity as decisions take it: with its spec, or with what is wrong with that."""
        record = self._records.get(key)
        if record is None:
            return None
        declared = {
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
            "uid": record.uid,
            "generation": record.generation,
            "deleting": record.deleting,
            "finalized": record.finalized,
            "status": orjson.loads(record.status),
        }
        try:
            spec = IDENTITY_KINDS[key.kind].spec.parse(orjson.loads(record.spec))
        except SpecError as error:
            return Declared(**declared, fault=str(error))
        return Identity(**declared, id=record.id, role=spec.effective_role, spec=spec, rotate=record.rotate)

    def id_rival(self, key: Key, account_of: AccountOf) -> Rival | None:
        """Return who holds this identity's id in its account, if somebody else came first."""
        record = self._records[key]
        asking = self._by_id.get((record.hub, record.id), set())
        return self._rival(key, asking, account_of, holds=lambda other: other.holds_id == other.id)

    def key_rival(self, key: Key, account_of: AccountOf) -> Rival | None:
        """Return who holds this identity's public key, if somebody else came first."""
        record = self._records[key]
        if not record.public_key:
            return None
        asking = self._by_key.get((record.hub, record.public_key), set())
        return self._rival(key, asking, account_of, holds=lambda other: other.holds_key == other.key)

    def _rival(
        self, key: Key, asking: set[Key], account_of: AccountOf, *, holds: Callable[[Record], bool]
    ) -> Rival | None:
        if len(asking) < 2:  # noqa: PLR2004 - itself
            return None

        def precedence(one: Key) -> tuple[bool, str, str]:
            record = self._records[one]
            return (not holds(record), record.created, record.uid)

        account = account_of(key, self._records[key])
        others = (k for k in asking if k != key and account_of(k, self._records[k]) == account)
        first = min((*others, key), key=precedence)
        if first == key:
            return None
        return Rival(first.kind, first.namespace, first.name, leaving=self._records[first].deleting)

    def _index(self, key: Key, record: Record) -> None:
        self._by_hub[record.hub].add(key)
        self._by_id[record.hub, record.id].add(key)
        if record.key:
            self._by_key[record.hub, record.key].add(key)

    def _unindex(self, key: Key, record: Record) -> set[Key]:
        _discard(self._by_hub, record.hub, key)
        return _discard(self._by_id, (record.hub, record.id), key) | _discard(
            self._by_key, (record.hub, record.key), key
        )

    def _sharing(self, record: Record) -> set[Key]:
        return self._by_id.get((record.hub, record.id), set()) | self._by_key.get((record.hub, record.key), set())


def _discard(index: dict[T, set[Key]], entry: T, key: Key) -> set[Key]:
    """Take a key out of one entry of an index; return who is left there."""
    members = index.get(entry)
    if members is None:
        return set()
    members.discard(key)
    if not members:
        del index[entry]
    return set(members)


def _claims(record: Record) -> tuple[object, ...]:
    return (record.hub, record.id, record.key, record.account)


def _held(status: Mapping[str, Any]) -> tuple[str, str, str, str]:
    account, role = intern(str(status.get("account", ""))), intern(str(status.get("role", "")))
    return str(status.get("id", "")), str(status.get("publicKey", "")), account, role


def _record(kind: str, item: Mapping[str, Any]) -> Record:
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    reference = spec.get("hubRef") or {}
    own_id = spec.get(IDENTITY_KINDS[kind].spec.id_field)
    holds_id, holds_key, holds_account, holds_role = _held(status)
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
        holds_id=holds_id,
        holds_key=holds_key,
        holds_account=holds_account,
        holds_role=holds_role,
        rotate=(metadata.get("annotations") or {}).get(ROTATE, ""),
        spec=canonical(spec),
        status=canonical(status),
    )
