"""The certificate an identity should have: whom it is for, by whose key, and in which Secret."""

import hashlib
import json
from dataclasses import dataclass

from iotsec.decide import identity_secrets
from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.grant import Grant
from iotsec.decide.tls_view import TlsView
from iotsec.decide.views import Identity
from iotsec.x509.keys import spki_sha256
from iotsec.x509.names import Names

_DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class WantedCertificate:
    """What the certificate is to say and how its Secret is to present it."""

    secret_name: str
    names: Names
    request: bytes
    """The device's own request, PEM; empty where the key is ours to give out."""
    request_digest: str
    """Names the request; empty where there is none."""
    shape: str
    """Digest of what the Hub decides of it for everybody."""
    layout: str
    """Digest of how the Secret presents it."""

    def noted(
        self, public: bytes, *, serial: int, issuer: str, generation: str, issued_at: int, expires_at: int
    ) -> CertificateNote:
        """Return the note of such a certificate for a public key, before there is a Secret to present it.

        ``issuer`` is the identifier of the CA's key, ``generation`` names the CA; times in unix seconds.
        """
        return CertificateNote(
            account="",
            serial=serial,
            issuer=issuer,
            generation=generation,
            issued_at=issued_at,
            expires_at=expires_at,
            key=spki_sha256(public),
            id=self.names.common_name,
            dns_names=self.names.dns_names,
            ip_addresses=self.names.ip_addresses,
            shape=self.shape,
            request=self.request_digest,
            layout="",
            bundle="",
            keys=(),
        )

    def is_told_by(self, note: CertificateNote) -> bool:
        """Tell whether a certificate says what its own spec asks for, by the note of it."""
        told = (note.id, note.dns_names, note.ip_addresses, note.request)
        return told == (self.names.common_name, self.names.dns_names, self.names.ip_addresses, self.request_digest)

    def goes_beyond(self, note: CertificateNote) -> bool:
        """Tell whether a certificate says less than is wanted, and nothing else: it may be used to its end."""
        return (
            (note.id, note.request) == (self.names.common_name, self.request_digest)
            and set(note.dns_names) <= set(self.names.dns_names)
            and set(note.ip_addresses) <= set(self.names.ip_addresses)
        )


def wanted_certificate(identity: Identity, granted: Grant, tls: TlsView) -> WantedCertificate:
    """Return the certificate that an identity of a Hub should have."""
    declared = identity.spec.certificate
    request = (declared.csr or "").encode()
    uri = f"spiffe://{tls.trust_domain}/ns/{identity.namespace}/{identity.kind.lower()}/{identity.name}"
    secret_name = identity_secrets.certificate(identity)
    return WantedCertificate(
        secret_name=secret_name,
        names=Names(
            common_name=granted.name,
            dns_names=tuple(sorted(declared.dns_names)),
            ip_addresses=tuple(sorted(declared.ip_addresses)),
            uris=(uri,),
        ),
        request=request,
        request_digest=hashlib.sha256(request).hexdigest()[:_DIGEST_LENGTH] if request else "",
        shape=_digest(uri, "" if request else str(tls.key_type)),
        layout=_layout(identity, granted, tls, secret_name),
    )


def _layout(identity: Identity, granted: Grant, tls: TlsView, secret_name: str) -> str:
    template = identity.spec.secret_template
    issuer = tls.issuer.to_json() if tls.issuer is not None else {}
    # The account's key seals the note.
    presented = [secret_name, tls.digest, issuer, granted.account.keys.public]
    return _digest(*presented, dict(template.labels), dict(template.annotations))


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_DIGEST_LENGTH]
