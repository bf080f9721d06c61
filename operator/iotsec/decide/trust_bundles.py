"""ConfigMaps with a Hub's trust bundle: what verifies its servers, for workloads that have no identity's Secret.

Ours are those with our labels; they belong to no object, since an owner counts in its own namespace only, so what is no
longer wanted is deleted by us. Their metadata tells everything: a hash of the contents, and who wrote them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iotsec.api.accounts import LabelSelector
from iotsec.decide import names
from iotsec.decide.admission import Labels, selects
from iotsec.decide.authorities import Authorities
from iotsec.decide.field_owners import touched_by_others
from iotsec.decide.secrets import content_hash
from iotsec.decide.tls_settings import TlsSettings

TRUST_BUNDLE = "trust-bundle"


@dataclass(frozen=True, slots=True)
class WantedBundle:
    """What is to be in which ConfigMaps."""

    bundle: bytes
    """PEM."""
    name: str
    key: str
    namespaces: frozenset[str]


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """A ConfigMap of ours as its metadata shows it."""

    namespace: str
    name: str
    uid: str
    version: int
    hub: str
    """``<namespace>/<name>`` of the Hub."""
    content: str
    """The hash of what we wrote into it."""
    keys: frozenset[str]
    """The entries that are ours."""
    deleting: bool
    suspect: bool
    """Somebody else may have changed it."""


@dataclass(frozen=True, slots=True)
class BundleWrite:
    """One ConfigMap to create, or to make what it should be."""

    namespace: str
    name: str
    hub: str
    data: Mapping[str, str]
    replaces: BundleFacts | None

    def to_object(self) -> dict[str, Any]:
        """Return the whole object, as a create request takes it."""
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self._metadata(), "data": dict(self.data)}

    def to_patch(self, uid: str, stale: Iterable[str] = ()) -> dict[str, Any]:
        """Return the merge patch that makes the ConfigMap of this uid so, without its entries that are ``stale``.

        What others added stays.
        """
        data = dict.fromkeys(frozenset(stale) - self.data.keys()) | dict(self.data)
        metadata = self._metadata()
        return {"metadata": {"uid": uid, **{k: metadata[k] for k in ("labels", "annotations")}}, "data": data}

    def _metadata(self) -> dict[str, Any]:
        managed_by, us = names.MANAGED_BY
        return {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {managed_by: us, names.COMPONENT: TRUST_BUNDLE},
            "annotations": {
                names.HUB: self.hub,
                names.CONTENT_HASH: content_hash({key: text.encode() for key, text in self.data.items()}),
            },
        }


@dataclass(frozen=True, slots=True)
class BundlePlan:
    """What is to be done, and where it cannot be."""

    writes: tuple[BundleWrite, ...] = ()
    deletions: tuple[BundleFacts, ...] = ()
    conflicts: tuple[str, ...] = ()


def bundle_name(hub: str) -> str:
    """Name of the ConfigMaps of a Hub where its policy gives none."""
    return f"{hub}-ca-bundle"


def bundle_namespaces(
    where: str, selector: LabelSelector | None, *, hub_namespace: str, labels: Mapping[str, Labels]
) -> frozenset[str]:
    """Return which namespaces, given with their labels, are meant by Same, All, or Selector and its selector."""
    if where == "Selector":
        return frozenset(name for name, found in labels.items() if selector is not None and selects(selector, found))
    return frozenset(labels if where == "All" else (name for name in labels if name == hub_namespace))


BY_UNKNOWN_LABELS = (
    "spec.trustBundle.namespaces is a selector, and this operator may not look at labels of namespaces: set from to "
    "Same or All, or run the operator for the whole cluster"
)


def chosen_by_unknown_labels(settings: TlsSettings, labels: Mapping[str, Labels]) -> bool:
    """Tell whether nobody can know in which namespaces the bundle is wanted."""
    by_labels = settings.bundle is not None and settings.bundle.namespaces.selector is not None
    return by_labels and None in labels.values()


def wanted_bundle(
    settings: TlsSettings | None,
    state: Authorities | None,
    hub: str,
    *,
    namespace: str,
    labels: Mapping[str, Labels],
) -> WantedBundle | None:
    """Return what is to be in which ConfigMaps of a Hub; ``None`` where none are asked for, or there is no CA yet.

    ``labels`` are those of each namespace there is.
    """
    if settings is None or settings.bundle is None or state is None:
        return None
    asked, chosen = settings.bundle, settings.bundle.namespaces
    return WantedBundle(
        state.bundle,
        asked.name or bundle_name(hub),
        asked.key,
        bundle_namespaces(chosen.from_, chosen.selector, hub_namespace=namespace, labels=labels),
    )


def plan_bundles(hub: str, wanted: WantedBundle | None, existing: Iterable[BundleFacts]) -> BundlePlan:
    """Return what makes the ConfigMaps of a Hub (``<namespace>/<name>``) what they should be.

    ``existing`` are all of ours, those of other Hubs too; with nothing wanted all that the Hub has goes.
    """
    existing = tuple(existing)
    places = frozenset((n, wanted.name) for n in wanted.namespaces) if wanted is not None else frozenset()
    gone = tuple(
        facts
        for facts in existing
        if facts.hub == hub and not facts.deleting and (facts.namespace, facts.name) not in places
    )
    if wanted is None:
        return BundlePlan(deletions=gone)
    there = {(facts.namespace, facts.name): facts for facts in existing}
    data = {wanted.key: wanted.bundle.decode()}
    content = content_hash({wanted.key: wanted.bundle})
    writes: list[BundleWrite] = []
    conflicts: list[str] = []
    for namespace, name in sorted(places):
        facts = there.get((namespace, name))
        if facts is not None and facts.hub != hub and facts.hub:
            conflicts.append(f"ConfigMap {namespace}/{name} is that of Hub {facts.hub}: {_ANOTHER_NAME}")
        elif facts is None or (not facts.deleting and (facts.suspect or facts.content != content)):
            writes.append(BundleWrite(namespace, name, hub, data, facts))
    return BundlePlan(tuple(writes), gone, tuple(conflicts))


def is_theirs(metadata: Mapping[str, Any], hub: str) -> bool:
    """Tell whether a ConfigMap that is in the way was never this Hub's: it does not even say so."""
    return (metadata.get("annotations") or {}).get(names.HUB) != hub


def in_the_way(namespace: str, name: str) -> str:
    """Return the message about a ConfigMap that somebody else keeps."""
    return f"ConfigMap {namespace}/{name} exists and is not ours: delete it, or {_ANOTHER_NAME}"


def bundle_facts(metadata: Mapping[str, Any]) -> BundleFacts:
    """Read a ConfigMap's metadata."""
    annotations, managed = metadata.get("annotations") or {}, metadata.get("managedFields") or ()
    content, hub = annotations.get(names.CONTENT_HASH, ""), annotations.get(names.HUB, "")
    keys = frozenset(
        field.removeprefix("f:")
        for entry in managed
        if entry.get("manager") == names.FIELD_MANAGER
        for field in ((entry.get("fieldsV1") or {}).get("f:data") or {})
        if field.startswith("f:")
    )
    return BundleFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        hub=hub,
        content=content,
        keys=keys,
        deleting="deletionTimestamp" in metadata,
        suspect=not (content and hub and keys) or touched_by_others(managed, tuple(keys)),
    )


_ANOTHER_NAME = "set another spec.trustBundle.configMap.name in the TLSPolicy"
