"""Objects that a Hub has in namespaces which need not be its own: trust bundles, NetworkPolicies.

Ours are those with our labels; they belong to no object, since an owner counts in its own namespace only, so what is no
longer wanted is deleted by us. Their metadata tells everything: a hash of the contents, and who wrote them.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from iotsec.decide import names
from iotsec.decide.field_owners import touched_by_others
from iotsec.decide.secrets import content_hash

Place = tuple[str, str]
"""Namespace and name of an object."""

Content = Mapping[str, Any]
"""What is in the field of an object that is ours to fill."""

Wanted = Mapping[Place, Content]


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of such objects."""

    api_version: str
    kind: str
    component: str
    """What their component label says."""
    field: str
    """The field that is ours to fill."""
    shared: bool
    """Whether others may add entries of their own to that field."""
    advice: str
    """What to do where somebody else's object has the name, beside deleting it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An object of ours as its metadata shows it."""

    namespace: str
    name: str
    uid: str
    version: int
    hub: str
    """``<namespace>/<name>`` of the Hub."""
    content: str
    """The hash of what we wrote into it."""
    entries: frozenset[str]
    """The entries of its field that are ours."""
    deleting: bool
    suspect: bool
    """Somebody else may have changed it."""

    @property
    def place(self) -> Place:
        """Where it is."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Write:
    """One object to create, or to make what it should be."""

    sort: Sort
    namespace: str
    name: str
    hub: str
    content: Content
    replaces: Facts | None

    @property
    def place(self) -> Place:
        """Where it is to be."""
        return self.namespace, self.name

    def to_object(self) -> dict[str, Any]:
        """Return the whole object, as a create request takes it."""
        head = {"apiVersion": self.sort.api_version, "kind": self.sort.kind, "metadata": self._metadata()}
        return {**head, self.sort.field: dict(self.content)}

    def to_merge_patch(self, uid: str, stale: Iterable[str] = ()) -> dict[str, Any]:
        """Return the merge patch that makes the object of this uid so, without its entries that are ``stale``.

        What others added stays.
        """
        content = dict.fromkeys(frozenset(stale) - self.content.keys()) | dict(self.content)
        metadata = self._metadata()
        marks = {marks: metadata[marks] for marks in ("labels", "annotations")}
        return {"metadata": {"uid": uid, **marks}, self.sort.field: content}

    def to_apply(self, uid: str) -> dict[str, Any]:
        """Return what server-side apply makes the object of this uid so by; each entry of ours is as written here."""
        whole = self.to_object()
        return {**whole, "metadata": {**whole["metadata"], "uid": uid}}

    def _metadata(self) -> dict[str, Any]:
        managed_by, us = names.MANAGED_BY
        return {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {managed_by: us, names.COMPONENT: self.sort.component},
            "annotations": {names.HUB: self.hub, names.CONTENT_HASH: hash_of(self.content)},
        }


@dataclass(frozen=True, slots=True)
class PlacementPlan:
    """What is to be done, and where it cannot be."""

    writes: tuple[Write, ...] = ()
    deletions: tuple[Facts, ...] = ()
    conflicts: Mapping[Place, str] = field(default_factory=dict)


def plan_placement(
    sort: Sort,
    hub: str,
    wanted: Wanted,
    existing: Iterable[Facts],
    *,
    leaves: Callable[[Place], bool] = lambda _: False,
) -> PlacementPlan:
    """Return what makes the objects of a Hub (``<namespace>/<name>``) what they should be.

    ``existing`` are all of the sort, those of other Hubs too; what the Hub has and nobody wants goes, unless it
    ``leaves`` what is there.
    """
    there = {facts.place: facts for facts in existing}
    distinct = {id(content): content for content in wanted.values()}  # one may be wanted in many places
    digests = {of: hash_of(content) for of, content in distinct.items()}
    unwanted = (f for f in there.values() if f.hub == hub and not f.deleting and f.place not in wanted)
    gone = tuple(facts for facts in unwanted if not leaves(facts.place))
    writes: list[Write] = []
    conflicts: dict[Place, str] = {}
    for place in sorted(wanted):
        facts, content = there.get(place), wanted[place]
        if facts is not None and facts.hub != hub and facts.hub:
            conflicts[place] = f"{sort.kind} {'/'.join(place)} is that of Hub {facts.hub}: {sort.advice}"
        elif facts is None or (not facts.deleting and (facts.suspect or facts.content != digests[id(content)])):
            writes.append(Write(sort, *place, hub, content, facts))
    return PlacementPlan(tuple(writes), gone, conflicts)


def is_theirs(metadata: Mapping[str, Any], hub: str) -> bool:
    """Tell whether an object that is in the way was never this Hub's: it does not even say so."""
    return (metadata.get("annotations") or {}).get(names.HUB) != hub


def in_the_way(sort: Sort, place: Place) -> str:
    """Return the message about an object that somebody else keeps."""
    return f"{sort.kind} {'/'.join(place)} exists and is not ours: delete it, or {sort.advice}"


def facts_of(sort: Sort, metadata: Mapping[str, Any]) -> Facts:
    """Read an object's metadata."""
    annotations, managed = metadata.get("annotations") or {}, metadata.get("managedFields") or ()
    content, hub = annotations.get(names.CONTENT_HASH, ""), annotations.get(names.HUB, "")
    entries = frozenset(
        name.removeprefix("f:")
        for entry in managed
        if entry.get("manager") == names.FIELD_MANAGER
        for name in ((entry.get("fieldsV1") or {}).get(f"f:{sort.field}") or {})
        if name.startswith("f:")
    )
    touched = touched_by_others(managed, tuple(entries) if sort.shared else None, field_name=sort.field)
    return Facts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        hub=hub,
        content=content,
        entries=entries,
        deleting="deletionTimestamp" in metadata,
        suspect=not (content and hub and entries) or touched,
    )


def hash_of(content: Content) -> str:
    """Return the digest by which a change of the contents is known."""
    return content_hash(
        {name: json.dumps(value, sort_keys=True, separators=(",", ":")).encode() for name, value in content.items()}
    )
