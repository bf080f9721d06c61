"""Certificates of those who are no authority: issued, and read again."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from iotsec.x509.authority import Authority, UnusableAuthorityError
from iotsec.x509.instants import as_instant, as_seconds
from iotsec.x509.key_usage import key_usage
from iotsec.x509.keys import InvalidPrivateKeyError, PrivateKey, PublicObject, key_id, read_public, signature_hash
from iotsec.x509.names import Names, Usage, checked, names_of
from iotsec.x509.pem import (
    UNREADABLE,
    InvalidCertificateError,
    public_of,
    read_certificates,
    serial_of,
    write_certificates,
)

__all__ = ["CertificateFacts", "InvalidCertificateError", "issue", "leaf_key_usage", "matches", "read_certificate"]

_NO_AUTHORITY: Final = x509.BasicConstraints(ca=False, path_length=None)


BACKDATED_SECONDS = 60
"""How long before it is made a certificate begins: the clocks of servers and devices differ a little."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says; instants in unix seconds, the last at which it is valid included."""

    serial: int
    subject: str
    """The distinguished name (RFC 4514)."""
    issuer_key_id: str
    """The hex of its authority key identifier, empty where it has none."""
    issued_at: int
    expires_at: int
    names: Names
    public: bytes
    """SubjectPublicKeyInfo, DER."""
    fingerprint: str
    """SHA-256 of the DER, hex."""
    subject_key_id: str = ""
    """The hex of its subject key identifier, empty where it has none."""
    ocsp_url: str = ""
    """The first OCSP responder that it names, empty where it names none."""


def issue(
    authority: Authority,
    names: Names,
    usage: Usage,
    public: bytes,
    *,
    serial: int,
    issued_at: int,
    expires_at: int,
    ocsp_url: str = "",
    crl_url: str = "",
    ca_url: str = "",
) -> bytes:
    """Return a certificate for the holder of `public` (SubjectPublicKeyInfo, DER), PEM, and the authority's chain.

    Instants are unix seconds; the end is the authority's at the latest. The URLs say where to ask whether it is revoked
    (OCSP, CRL) and for the authority's certificate.

    Raises `UnusableAuthorityError` where the authority ends before the certificate begins, `InvalidNamesError`, and
    `UnusableKeyError` for a public key that is none or weak.
    """
    end = min(expires_at, authority.expires_at)
    if end <= issued_at:
        raise UnusableAuthorityError(
            f"{authority.subject!r} ends at {as_instant(authority.expires_at):%Y-%m-%dT%H:%M:%SZ}, which leaves "
            "nothing of a certificate's life: renew the CA"
        )
    key = read_public(public)
    alternative_names = checked(names).alternative_names
    builder = (
        x509.CertificateBuilder(
            authority.issuer_name, names.subject, key, serial, as_instant(issued_at), as_instant(end)
        )
        .add_extension(_NO_AUTHORITY, critical=True)
        .add_extension(leaf_key_usage(key, usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage.purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier(key_id(key)), critical=False)
        .add_extension(authority.authority_key_id, critical=False)
    )
    if alternative_names:
        # Critical where nothing else says whom it is for: RFC 5280 4.1.2.6.
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative_names), critical=not names.common_name)
    for extension in _pointers(ocsp_url, crl_url, ca_url):
        builder = builder.add_extension(extension, critical=False)
    leaf = builder.sign(authority.key.signer, signature_hash(authority.key.key_type))
    return write_certificates(leaf) + authority.chain


def read_certificate(pem: bytes) -> CertificateFacts:
    """Return what the first certificate of a PEM text says; raises `InvalidCertificateError`."""
    certificate = read_certificates(pem)[0]
    try:
        extensions = certificate.extensions
        names, responder = names_of(certificate.subject, extensions), _ocsp_url(extensions)
    except UNREADABLE:
        raise InvalidCertificateError("this certificate has extensions that cannot be read: issue it again") from None
    return CertificateFacts(
        serial=serial_of(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer_key_id=_issuer_key_id(extensions),
        issued_at=as_seconds(certificate.not_valid_before_utc),
        expires_at=as_seconds(certificate.not_valid_after_utc),
        names=names,
        public=public_of(certificate),
        fingerprint=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        subject_key_id=_subject_key_id(extensions),
        ocsp_url=responder,
    )


def matches(certificate: bytes, key: bytes) -> bool:
    """Tell whether `key` is the private key of the first certificate, both PEM; False where either cannot be read."""
    try:
        return public_of(read_certificates(certificate)[0]) == PrivateKey.from_pem(key).public
    except (InvalidCertificateError, InvalidPrivateKeyError):
        return False


def leaf_key_usage(key: PublicObject, usage: Usage = Usage.PEER) -> x509.KeyUsage:
    """Return what TLS does with the key of a leaf: it signs; in TLS 1.2 a server's RSA key deciphers too.

    A client's does not: RFC 5280 4.2.1.12.
    """
    deciphers = isinstance(key, rsa.RSAPublicKey) and usage is not Usage.CLIENT
    return key_usage("digital_signature", *(["key_encipherment"] if deciphers else []))


def _pointers(ocsp_url: str, crl_url: str, ca_url: str) -> Iterator[x509.ExtensionType]:
    """Return where to ask about a certificate: RFC 5280 4.2.2.1 and 4.2.1.13."""
    accesses = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url in (
            (AuthorityInformationAccessOID.OCSP, ocsp_url),
            (AuthorityInformationAccessOID.CA_ISSUERS, ca_url),
        )
        if url
    ]
    if accesses:
        yield x509.AuthorityInformationAccess(accesses)
    if crl_url:
        names = [x509.UniformResourceIdentifier(crl_url)]
        yield x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


def _ocsp_url(extensions: x509.Extensions) -> str:
    """Return whom to ask whether it is revoked: RFC 5280 4.2.2.1."""
    try:
        found = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ""
    ocsp = AuthorityInformationAccessOID.OCSP
    return next((str(one.access_location.value) for one in found if one.access_method == ocsp), "")


def _subject_key_id(extensions: x509.Extensions) -> str:
    try:
        return extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except x509.ExtensionNotFound:
        return ""


def _issuer_key_id(extensions: x509.Extensions) -> str:
    try:
        found = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    return (found or b"").hex()
