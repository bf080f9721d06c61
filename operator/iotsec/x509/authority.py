"""Certificate authorities: a certificate with the key that issues others."""

import hashlib
from typing import Final, Never

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from iotsec.x509.chain import Chain, UnusableAuthorityError, read_chain
from iotsec.x509.instants import as_instant, as_seconds
from iotsec.x509.key_usage import key_usage
from iotsec.x509.keys import InvalidPrivateKeyError, PrivateKey, key_id, read_public, signature_hash
from iotsec.x509.pem import InvalidCertificateError, public_of, read_certificates, write_certificates

__all__ = ["Authority", "UnusableAuthorityError", "read_authority", "self_signed"]

_KEY_USAGE: Final = key_usage("digital_signature", "key_cert_sign", "crl_sign")  # it signs its OCSP answers itself


class Authority:
    """A CA: its certificate, those above it, its key. What every issue needs is worked out once. Prints no key.

    Made by `self_signed` or `read_authority`. Two are equal when their certificates and roots are.
    """

    __slots__ = (
        "authority_key_id",
        "certificate",
        "chain",
        "expires_at",
        "fingerprint",
        "issued_at",
        "issuer_name",
        "key",
        "key_id",
        "own",
        "root",
        "subject",
    )

    def __init__(self, chain: Chain, key: PrivateKey) -> None:
        """Take a chain that has been checked, and the key of its first certificate."""
        self.own: Final = chain.own
        """Its certificate as `cryptography` has it."""
        self.certificate: Final = write_certificates(chain.own)
        """Its own certificate, PEM."""
        self.chain: Final = write_certificates(*chain.presented)
        """What goes after a leaf, PEM: its own certificate and the intermediates without the root; empty for a root."""
        self.root: Final = write_certificates(chain.root)
        """Whom to trust, PEM."""
        self.key: Final = key
        identifier = _subject_key_id(chain.own)
        self.authority_key_id: Final = x509.AuthorityKeyIdentifier(identifier, None, None)
        """What its certificates say of who issued them."""
        self.key_id: Final = identifier.hex()
        """The hex of its subject key identifier, by which a generation is named."""
        self.issuer_name: Final = chain.own.subject
        self.subject: Final = chain.own.subject.rfc4514_string()
        """Its distinguished name (RFC 4514)."""
        self.fingerprint: Final = hashlib.sha256(chain.own.public_bytes(Encoding.DER)).hexdigest()
        """The SHA-256 of its certificate in DER, hex."""
        self.issued_at: Final = as_seconds(chain.own.not_valid_before_utc)
        """From when its certificate is valid, unix seconds."""
        self.expires_at: Final = min(as_seconds(certificate.not_valid_after_utc) for certificate in chain.all)
        """Until when what it signs can be verified: the first end in its chain, unix seconds."""

    def __repr__(self) -> str:
        return f"Authority({self.subject!r}, {self.key_id}, key masked)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Authority):
            return NotImplemented
        return (self.own, self.chain, self.root) == (other.own, other.chain, other.root)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("an authority is neither pickled nor copied: pass the object on")


def self_signed(common_name: str, key: PrivateKey, *, serial: int, issued_at: int, expires_at: int) -> Authority:
    """Return a root with this key that issues leaves only (path length 0); instants in unix seconds.

    `common_name` has at most 64 characters: `short_name` makes one of any text.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    public = key.signer.public_key()
    certificate = (
        x509.CertificateBuilder(name, name, public, serial, as_instant(issued_at), as_instant(expires_at))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_KEY_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier(key_id(public)), critical=False)
        .sign(key.signer, signature_hash(key.key_type))
    )
    return Authority(Chain(certificate, (), certificate), key)


def read_authority(certificates: bytes, key: bytes, *, root: bytes = b"", now: int) -> Authority:
    """Return the authority of these PEM texts: its own certificate first, then those above it in any order.

    The root may be among `certificates` or be given as `root`, as `ca.crt` of a Secret has it. `now` in unix seconds.
    Raises `UnusableAuthorityError` for whatever Go or OpenSSL would refuse its certificates for, and for weak ones.
    """
    try:
        found = read_certificates(certificates)
        public = public_of(found[0])
    except InvalidCertificateError as error:
        raise UnusableAuthorityError(f"the CA certificate cannot be read: {error}") from None
    try:
        roots = read_certificates(root) if root.strip() else []
    except InvalidCertificateError as error:
        raise UnusableAuthorityError(f"the root of the CA cannot be read: {error}") from None
    try:
        private = PrivateKey.from_pem(key)
    except InvalidPrivateKeyError as error:
        raise UnusableAuthorityError(f"the key of the CA cannot be used: {error}") from None
    if public != private.public:
        raise UnusableAuthorityError(
            "the private key is not that of the first certificate: write the key of this CA, and the CA's own "
            "certificate before all others"
        )
    return Authority(read_chain(found, roots, now), private)


def _subject_key_id(certificate: x509.Certificate) -> bytes:
    """Return its identifier as it says it itself: verifiers look for that one, however it was made."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return key_id(read_public(public_of(certificate)))
