"""Our Secrets: the manifest of one, and what its metadata tells without its data.

Every Secret carries a hash of its contents and, where it holds a credential, the facts of what was issued. The watch
needs nothing but metadata, an unchanged Secret is never written, and after any restart it is known what is still valid.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Any

from iotsec.api.meta import API_VERSION
from iotsec.decide import names
from iotsec.decide.ledger import Revocation

# Tools that believe they own what carries their mark: nothing of theirs is copied (Argo CD, Flux, Helm, kubectl).
_FOREIGN_MARKS = (
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "kubectl.kubernetes.io/",
    "app.kubernetes.io/instance",
    "iotsec.dev/",
)


@dataclass(frozen=True, slots=True)
class Issued:
    """What a creds Secret says was issued; times in unix seconds."""

    account: str
    """Public key of the account."""
    key: str
    """Public key of the user."""
    issued_at: int
    expires_at: int
    valid_until: int
    """The last moment any JWT ever issued for this key is valid."""
    digest: str
    """Digest of what the JWT grants and to whom, without its times."""
    layout: str
    """Digest of how the Secret presents it."""
    keys: tuple[str, ...]
    """The data keys that are ours."""
    revision: int = 1
    superseded: tuple[Revocation, ...] = ()
    """Credentials this one replaced that must be refused; kept until the account's ledger has them."""

    def revocation(self) -> Revocation:
        """Return what cuts off everything issued so far."""
        return Revocation(self.account, self.key, self.issued_at, self.valid_until)

    def to_json(self) -> str:
        """Serialise for the annotation."""
        body = {
            "account": self.account,
            "key": self.key,
            "iat": self.issued_at,
            "exp": self.expires_at,
            "until": self.valid_until,
            "digest": self.digest,
            "layout": self.layout,
            "keys": self.keys,
            "revision": self.revision,
        }
        if self.superseded:
            body["superseded"] = [[r.account, r.key, r.at, r.until] for r in self.superseded]
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Issued":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: somebody else wrote it.

        """
        try:
            body = json.loads(text)
            return cls(
                account=intern(body["account"]),
                key=body["key"],
                issued_at=int(body["iat"]),
                expires_at=int(body["exp"]),
                valid_until=int(body["until"]),
                digest=body["digest"],
                layout=body["layout"],
                keys=tuple(intern(key) for key in body["keys"]),
                revision=int(body["revision"]),
                superseded=tuple(
                    Revocation(str(account), str(key), int(at), int(until))
                    for account, key, at, until in body.get("superseded", ())
                ),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("the annotation does not say what was issued") from error


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
    finalized: bool
    content_hash: str
    issued: Issued | None
    suspect: bool
    """Somebody else may have changed it: its data must be read before it is trusted."""


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
            "type": "Opaque",
            "data": {key: b64encode(value).decode() for key, value in self.data.items()},
        }

    def to_patch(self, *, replaces: SecretFacts) -> dict[str, Any]:
        """Return the merge patch that makes the Secret so, on condition that it is still the one we saw.

        What is ours and no longer wanted goes; what others added stays.
        """
        body = self.to_object()
        stale = set(replaces.issued.keys) - set(self.data) if replaces.issued else set()
        body["data"].update(dict.fromkeys(stale))
        metadata: dict[str, Any] = {
            "uid": replaces.uid,
            "resourceVersion": replaces.resource_version,
            "labels": body["metadata"]["labels"],
            "annotations": body["metadata"]["annotations"],
        }
        if not replaces.finalized:  # lists are replaced whole: only when ours is missing
            metadata["finalizers"] = body["metadata"]["finalizers"]
        if replaces.owner != self.owner:
            metadata["ownerReferences"] = body["metadata"]["ownerReferences"]
        return {"metadata": metadata, "data": body["data"]}


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
    return (
        all((have.get("labels") or {}).get(k) == v for k, v in want["labels"].items())
        and all((have.get("annotations") or {}).get(k) == v for k, v in want["annotations"].items())
        and names.FINALIZER in (have.get("finalizers") or ())
        and all(data_of(secret).get(k) == v for k, v in manifest.data.items())
    )


def facts_of(metadata: Mapping[str, Any]) -> SecretFacts:
    """Read a Secret's metadata."""
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    issued = None
    damaged = False
    if names.ISSUED in annotations:
        try:
            issued = Issued.from_json(annotations[names.ISSUED])
        except ValueError:
            damaged = True
    component = intern(labels.get(names.COMPONENT, ""))
    return SecretFacts(
        namespace=intern(metadata["namespace"]),
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        owner=_controller(metadata.get("ownerReferences") or ()),
        component=component,
        hub=intern(annotations.get(names.HUB, "")),
        deleting="deletionTimestamp" in metadata,
        finalized=names.FINALIZER in (metadata.get("finalizers") or ()),
        content_hash=annotations.get(names.CONTENT_HASH, ""),
        issued=issued,
        suspect=damaged
        or (component == names.CREDENTIALS and issued is None)
        or _touched_by_others(metadata.get("managedFields") or (), issued.keys if issued else ()),
    )


def _touched_by_others(managed: Iterable[Mapping[str, Any]], keys: tuple[str, ...]) -> bool:
    """Tell from the managed fields whether anybody but us wrote a data key or an annotation of ours, or removed one."""
    ours: set[str] = set()
    for entry in managed:
        fields = entry.get("fieldsV1") or {}
        data = fields.get("f:data") or {}
        if entry.get("manager") == names.FIELD_MANAGER:
            ours.update(data)
            continue
        annotations = (fields.get("f:metadata") or {}).get("f:annotations") or {}
        if any(f"f:{key}" in data for key in keys) or any(name.startswith("f:iotsec.dev/") for name in annotations):
            return True
    return not all(f"f:{key}" in ours for key in keys)


def _controller(references: Iterable[Mapping[str, Any]]) -> Owner | None:
    for reference in references:
        if reference.get("controller") and reference.get("apiVersion") == API_VERSION:
            return Owner(intern(reference["kind"]), reference["name"], reference["uid"])
    return None


def _ours_to_copy(mapping: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in mapping.items() if not key.startswith(_FOREIGN_MARKS)}
