"""Our Secrets: the manifest of one, and what its metadata tells without its data.

Every Secret carries a hash of its contents and, where it holds a credential or a certificate, the facts of what was
issued. The watch needs nothing but metadata, an unchanged Secret is never written, and after any restart it is known
what is still valid.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Any

from iotsec.api.meta import API_VERSION
from iotsec.decide import names
from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.field_owners import ours_alone, touched_by_others
from iotsec.decide.issued import Issued

# Tools that believe they own what carries their mark: nothing of theirs is copied (Argo CD, Flux, Helm, kubectl,
# kapp, Fleet, kpt).
_FOREIGN_MARKS = (
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "kubectl.kubernetes.io/",
    "kapp.k14s.io/",
    "objectset.rio.cattle.io/",
    "config.k8s.io/",
    "app.kubernetes.io/instance",
    "iotsec.dev/",
)

_NOTED = (names.CREDENTIALS, names.CERTIFICATE)

_ONLY_OURS = (names.FINALIZER,)  # one object for all the Secrets there are


@dataclass(frozen=True, slots=True)
class Owner:
    """The object a Secret belongs to."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A Secret of ours as its metadata shows it."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    owner: Owner | None
    component: str
    hub: str
    deleting: bool
    finalizers: tuple[str, ...]
    issued: Issued | None
    seal: str
    """What vouches for ``issued``: without a look at the account's key it is a mere claim."""
    suspect: bool
    """Somebody else may have changed it: its data must be read before it is trusted."""
    disowned: bool = False
    """Its owner reference was taken away; ``owner`` is who it belonged to."""
    rotate: str = ""
    """The token of the annotation that asks for a rotation now."""
    certificate: CertificateNote | None = None
    """What a certificate Secret says was issued, vouched for by ``seal`` as well."""

    @property
    def note(self) -> Issued | CertificateNote | None:
        """What it says was issued, a credential or a certificate."""
        return self.issued or self.certificate

    @property
    def keys(self) -> tuple[str, ...]:
        """The data keys that are ours, as far as it says."""
        return self.note.keys if self.note is not None else ()

    @property
    def finalized(self) -> bool:
        """Whether it stays until we let it go."""
        return names.FINALIZER in self.finalizers


@dataclass(frozen=True, slots=True)
class SecretManifest:
    """A Secret as it should be; what it holds never shows in a repr."""

    namespace: str
    name: str
    data: Mapping[str, bytes]
    owner: Owner
    component: str
    hub: str
    """``<namespace>/<name>`` of the Hub."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    issued: Issued | None = None
    seal: str = ""
    stale_labels: frozenset[str] = frozenset()
    """Labels we once put there and no longer want."""
    stale_annotations: frozenset[str] = frozenset()
    stale_data: frozenset[str] = frozenset()
    """Entries to take out; those of what was issued go by themselves."""
    certificate: CertificateNote | None = None
    type: str = names.OPAQUE
    """It stays as it was created with."""

    def __repr__(self) -> str:
        return f"SecretManifest({self.namespace}/{self.name}, {self.component}, keys={sorted(self.data)})"

    def metadata(self) -> dict[str, Any]:
        """Return the metadata that is ours, as the API takes it."""
        annotations = {
            **_ours_to_copy(self.annotations),
            names.HUB: self.hub,
            names.CONTENT_HASH: content_hash(self.data),
        }
        if self.issued is not None:
            annotations[names.ISSUED] = self.issued.to_json()
            annotations[names.SEAL] = self.seal
        if self.certificate is not None:
            annotations[names.CERTIFICATE_ISSUED] = self.certificate.to_json()
            annotations[names.SEAL] = self.seal
        managed_by, us = names.MANAGED_BY
        return {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {**_ours_to_copy(self.labels), managed_by: us, names.COMPONENT: self.component},
            "annotations": annotations,
            "finalizers": [names.FINALIZER],
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": self.owner.kind,
                    "name": self.owner.name,
                    "uid": self.owner.uid,
                    "controller": True,
                }
            ],
        }

    def to_object(self) -> dict[str, Any]:
        """Return the whole object, as a create request takes it."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self.metadata(),
            "type": self.type,
            "data": {key: b64encode(value).decode() for key, value in self.data.items()},
        }

    def to_patch(self, *, replaces: SecretFacts) -> dict[str, Any]:
        """Return the merge patch that makes the Secret so, on condition that it is still the one we saw.

        What is ours and no longer wanted goes; what others added stays.
        """
        body = self.to_object()
        stale = {*self.stale_data, *replaces.keys} - self.data.keys()
        body["data"].update(dict.fromkeys(stale))
        metadata: dict[str, Any] = {
            "uid": replaces.uid,
            "resourceVersion": replaces.resource_version,
            "labels": body["metadata"]["labels"] | dict.fromkeys(self.stale_labels),
            "annotations": body["metadata"]["annotations"] | dict.fromkeys(self.stale_annotations),
        }
        if not replaces.finalized:  # lists are replaced whole: only when ours is missing
            metadata["finalizers"] = [*replaces.finalizers, names.FINALIZER]
        if replaces.owner != self.owner or replaces.disowned:
            metadata["ownerReferences"] = body["metadata"]["ownerReferences"]
        return {"metadata": metadata, "data": body["data"]}


@dataclass(frozen=True, slots=True)
class SecretWrite:
    """One Secret to create, or to bring from what it is to what it should be."""

    manifest: SecretManifest
    replaces: SecretFacts | None
    """``None``: create it, and only if no Secret of that name exists."""


def content_hash(data: Mapping[str, bytes]) -> str:
    """Digest of a Secret's data: sha256 over its sorted keys and values."""
    digest = hashlib.sha256()
    for key in sorted(data):
        digest.update(f"{key}\0{len(data[key])}\0".encode())
        digest.update(data[key])
    return digest.hexdigest()


def data_of(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the decoded data of a Secret as the API gave it."""
    return {key: b64decode(value) for key, value in (secret.get("data") or {}).items()}


def is_satisfied(secret: Mapping[str, Any], manifest: SecretManifest) -> bool:
    """Tell whether a Secret that was read is what the manifest asks for; what others added does not count."""
    want, have = manifest.metadata(), secret["metadata"]
    data = data_of(secret)
    return (
        all((have.get("labels") or {}).get(k) == v for k, v in want["labels"].items())
        and all((have.get("annotations") or {}).get(k) == v for k, v in want["annotations"].items())
        and not any(key in (have.get("labels") or {}) for key in manifest.stale_labels)
        and not any(key in (have.get("annotations") or {}) for key in manifest.stale_annotations)
        and names.FINALIZER in (have.get("finalizers") or ())
        and _controller(have.get("ownerReferences") or ()) == manifest.owner
        and all(data.get(k) == v for k, v in manifest.data.items())
        and not manifest.stale_data & data.keys()
    )


def tidied(manifest: SecretManifest, secret: Mapping[str, Any]) -> SecretManifest:
    """Return the manifest with what we alone put on the Secret before, and no longer want, as stale."""
    want = manifest.metadata()
    return replace(
        manifest,
        stale_labels=ours_alone(secret["metadata"], "labels") - want["labels"].keys(),
        stale_annotations=ours_alone(secret["metadata"], "annotations") - want["annotations"].keys(),
    )


def facts_of(metadata: Mapping[str, Any]) -> SecretFacts:
    """Read a Secret's metadata."""
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    issued = certificate = None
    damaged = False
    try:
        if names.ISSUED in annotations:
            issued = Issued.from_json(annotations[names.ISSUED])
        elif names.CERTIFICATE_ISSUED in annotations:
            certificate = CertificateNote.from_json(annotations[names.CERTIFICATE_ISSUED])
    except ValueError:
        damaged = True
    note = issued or certificate
    component = intern(labels.get(names.COMPONENT, ""))
    owner = _controller(metadata.get("ownerReferences") or ())
    finalizers = metadata.get("finalizers") or []
    managed_by, us = names.MANAGED_BY
    complete = (
        owner is not None
        and component != ""
        and labels.get(managed_by) == us
        and annotations.keys() >= {names.HUB, names.CONTENT_HASH}
        and (component != names.CREDENTIALS or issued is not None)
        and (component != names.CERTIFICATE or certificate is not None)
        and (component not in _NOTED or names.SEAL in annotations)
    )
    return SecretFacts(
        namespace=intern(metadata["namespace"]),
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        owner=owner,
        component=component,
        hub=intern(annotations.get(names.HUB, "")),
        deleting="deletionTimestamp" in metadata,
        finalizers=_ONLY_OURS if finalizers == [names.FINALIZER] else tuple(finalizers),
        issued=issued,
        seal=annotations.get(names.SEAL, ""),
        rotate=annotations.get(names.ROTATE, ""),
        suspect=damaged
        or not complete
        or touched_by_others(metadata.get("managedFields") or (), note.keys if note is not None else ()),
        certificate=certificate,
    )


def _controller(references: Iterable[Mapping[str, Any]]) -> Owner | None:
    for reference in references:
        if reference.get("controller") and reference.get("apiVersion") == API_VERSION:
            return Owner(intern(reference["kind"]), reference["name"], reference["uid"])
    return None


def _ours_to_copy(mapping: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in mapping.items() if not key.startswith(_FOREIGN_MARKS)}
