"""The Secret that presents a certificate: its keys, its metadata, and what can be told from its data.

Its keys and annotations are those of cert-manager, so that whatever reads its Secrets reads ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from iotsec.decide import names
from iotsec.decide.certificate_annotations import certificate_annotations
from iotsec.decide.certificate_cutoff import certificate_in
from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.certificate_wanted import WantedCertificate
from iotsec.decide.grant import Grant
from iotsec.decide.occasion import tokens_of
from iotsec.decide.secrets import Owner, SecretFacts, SecretManifest
from iotsec.decide.tls_view import TlsView
from iotsec.decide.views import Identity
from iotsec.x509.certificate import CertificateFacts, InvalidCertificateError, matches, read_certificate
from iotsec.x509.keys import InvalidPrivateKeyError, PrivateKey, spki_sha256


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate and its key as a Secret holds them, PEM; never shown."""

    certificate: bytes
    key: bytes
    """Empty where it is the device's own."""

    def __repr__(self) -> str:
        return "Material(…)"


def manifest(
    identity: Identity,
    granted: Grant,
    wanted: WantedCertificate,
    note: CertificateNote,
    material: Material,
    *,
    tls: TlsView,
) -> SecretManifest:
    """Return the Secret with this certificate, and with the sealed note of it."""
    data = {names.TLS_CERTIFICATE_KEY: material.certificate, names.CA_KEY: tls.bundle}
    if material.key:
        data[names.TLS_PRIVATE_KEY] = material.key
    reference = identity.spec.hub_ref
    place = f"{identity.namespace}/{wanted.secret_name}"
    note = replace(
        note,
        account=granted.account.keys.public,
        layout=wanted.layout,
        bundle=tls.digest,
        keys=tuple(sorted(data)),
    )
    return SecretManifest(
        namespace=identity.namespace,
        name=wanted.secret_name,
        data=data,
        owner=Owner(identity.kind, identity.name, identity.uid),
        component=names.CERTIFICATE,
        hub=f"{reference.namespace or identity.namespace}/{reference.name}",
        labels=dict(identity.spec.secret_template.labels),
        annotations={
            **identity.spec.secret_template.annotations,
            **certificate_annotations(identity.name, wanted.names, hub=reference.name, issuer=tls.issuer),
        },
        certificate=note,
        seal=note.seal(granted.account.keys.seal, secret=place, owner=identity.uid),
        type=names.OPAQUE if wanted.request else names.TLS,
    )


def held_material(data: Mapping[str, bytes], note: CertificateNote) -> Material | None:
    """Return what a Secret's data holds of the certificate that was noted; ``None`` where any of it is damaged."""
    found = Material(data.get(names.TLS_CERTIFICATE_KEY, b""), data.get(names.TLS_PRIVATE_KEY, b""))
    facts = _read(found.certificate)
    if facts is None or (facts.serial, spki_sha256(facts.public)) != (note.serial, note.key):
        return None
    if note.request:
        return replace(found, key=b"")
    return found if matches(found.certificate, found.key) else None


def held_key(data: Mapping[str, bytes], note: CertificateNote) -> PrivateKey | None:
    """Return the key that was noted, if it is in a Secret's data; somebody else's is of no use."""
    try:
        key = PrivateKey.from_pem(data.get(names.TLS_PRIVATE_KEY, b""))
    except InvalidPrivateKeyError:
        return None
    return key if spki_sha256(key.public) == note.key else None


def recovered_certificate(
    identity: Identity, tls: TlsView, wanted: WantedCertificate, current: SecretFacts, data: Mapping[str, bytes]
) -> CertificateNote | None:
    """Return the note of a certificate where only that was damaged: the status tells of it, and it is as wanted."""
    told = certificate_in(identity.status)
    facts = _read(data.get(names.TLS_CERTIFICATE_KEY, b""))
    if told is None or facts is None or (facts.serial, facts.issuer_key_id) != (told.serial, told.issuer):
        return None
    if not facts.names.is_same_as(wanted.names):
        return None
    ours = tls.authority is not None and facts.issuer_key_id == tls.authority.key_id
    note = wanted.noted(
        facts.public,
        serial=facts.serial,
        issuer=facts.issuer_key_id,
        generation=tls.generation if ours else "",
        issued_at=facts.issued_at,
        expires_at=facts.expires_at,
    )
    revision = int(identity.status["certificate"].get("revision", 1))
    note = replace(note, revision=revision, heeded=tokens_of(identity, current))
    return note if held_material(data, note) is not None else None


def _read(pem: bytes) -> CertificateFacts | None:
    try:
        return read_certificate(pem)
    except InvalidCertificateError:
        return None
