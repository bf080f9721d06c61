"""Private keys of certificates, and what is told of their public halves."""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, Never

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

RSA_BITS: Final = range(2048, 8193)
"""RSA keys that are read: NIST SP 800-131A takes none below, and Go's crypto/tls none above."""

SERIAL_ENTROPY_BYTES: Final = 32

_RSA_EXPONENT: Final = 65537
_CURVES: Final[dict[int, type[ec.EllipticCurve]]] = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}

PublicObject = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
"""The public keys this package takes, as `cryptography` has them."""

PrivateObject = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
"""The private keys this package takes, as `cryptography` has them."""


SignatureHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


class InvalidPrivateKeyError(ValueError):
    """A text is no private key that can be used. The message never holds any of it."""


class UnusableKeyError(ValueError):
    """A public key is of a kind or a size that no certificate is issued for, or accepted with."""


@dataclass(frozen=True, slots=True)
class KeyType:
    """The algorithm of a key and its size in bits: ECDSA 256, 384; RSA 2048 to 4096; 0 for Ed25519, which has one."""

    algorithm: Literal["ECDSA", "RSA", "Ed25519"] = "ECDSA"
    size: int = 256

    def __post_init__(self) -> None:
        if self.algorithm == "Ed25519":  # whatever was written, so that equal keys have equal types
            object.__setattr__(self, "size", 0)

    def __str__(self) -> str:
        return f"{self.algorithm} {self.size}" if self.size else self.algorithm


class PrivateKey:
    """A private key. Prints its type only, cannot be pickled or copied; equal to another by the public half."""

    __slots__ = ("_key_type", "_object", "_public")

    def __init__(self, key: PrivateObject) -> None:
        """Take a key of `cryptography`; raises `UnusableKeyError` for a weak one."""
        public = key.public_key()
        self._object = key
        self._key_type = key_type(public)
        self._public = public_bytes(public)

    @classmethod
    def from_pem(cls, pem: bytes) -> "PrivateKey":
        """Return the key of a PEM block: PKCS#8, PKCS#1 or SEC1, not encrypted. Raises `InvalidPrivateKeyError`."""
        try:
            key = load_pem_private_key(pem, password=None)
        except TypeError:
            raise InvalidPrivateKeyError("the private key is encrypted: write it without a passphrase") from None
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidPrivateKeyError(
                "this is no private key: write one PEM block, PKCS#8 (BEGIN PRIVATE KEY) or as openssl writes it"
            ) from None
        if not isinstance(key, PrivateObject):
            raise InvalidPrivateKeyError(
                "a private key of this algorithm is not used: make an ECDSA, RSA or Ed25519 key"
            )
        try:
            return cls(key)
        except UnusableKeyError as weak:
            raise InvalidPrivateKeyError(str(weak)) from None

    @property
    def public(self) -> bytes:
        """The public half: SubjectPublicKeyInfo, DER."""
        return self._public

    @property
    def key_type(self) -> KeyType:
        """Its algorithm and size."""
        return self._key_type

    @property
    def signer(self) -> PrivateObject:
        """The key as `cryptography` signs with it; for this package alone."""
        return self._object

    def to_pem(self) -> bytes:
        """Return the key itself, PKCS#8, for a Secret. Log, compare or format the `PrivateKey`, never this."""
        return self._object.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"PrivateKey({self._key_type}, masked)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateKey):
            return NotImplemented
        return self._public == other._public

    def __hash__(self) -> int:
        return hash(self._public)

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a private key is neither pickled nor copied: pass the object on")


def generate(key_type: KeyType) -> PrivateKey:
    """Return a new key, from the operating system's randomness: the shell passes this function to the core."""
    match key_type.algorithm:
        case "Ed25519":
            return PrivateKey(ed25519.Ed25519PrivateKey.generate())
        case "RSA":
            return PrivateKey(rsa.generate_private_key(_RSA_EXPONENT, key_type.size))
        case "ECDSA":
            return PrivateKey(ec.generate_private_key(_CURVES[key_type.size]()))


def key_type(public: object) -> KeyType:
    """Return the type of a public key of `cryptography`; raises `UnusableKeyError` for a weak or unusual one."""
    match public:
        case ed25519.Ed25519PublicKey():
            return KeyType("Ed25519", 0)
        case rsa.RSAPublicKey():
            if public.key_size not in RSA_BITS:
                raise UnusableKeyError(
                    f"an RSA key of {public.key_size} bits is not taken: use one of {RSA_BITS[0]} to 4096 bits"
                )
            return KeyType("RSA", public.key_size)
        case ec.EllipticCurvePublicKey():
            if not isinstance(public.curve, tuple(_CURVES.values())):
                raise UnusableKeyError(f"the curve {public.curve.name} is not taken: use P-256 or P-384")
            return KeyType("ECDSA", public.curve.key_size)
        case _:
            raise UnusableKeyError("a key of this algorithm is not taken: use ECDSA, RSA or Ed25519")


def read_public(public: bytes) -> PublicObject:
    """Return the key of a SubjectPublicKeyInfo, DER; raises `UnusableKeyError`."""
    try:
        key = load_der_public_key(public)
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKeyError("this is no public key that a certificate can be issued for") from None
    key_type(key)
    assert isinstance(key, PublicObject)  # noqa: S101 - `key_type` has refused what is none
    return key


def public_bytes(key: PublicObject) -> bytes:
    """Return the SubjectPublicKeyInfo of a key, DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signature_hash(signer: KeyType) -> SignatureHash | None:
    """Return what a key of this type signs the digest of, as strong as the key is; None for Ed25519, which hashes."""
    if signer.algorithm == "Ed25519":
        return None
    match signer.size:
        case 384:
            return hashes.SHA384()
        case 521:
            return hashes.SHA512()
        case _:
            return hashes.SHA256()


def spki_sha256(public: bytes) -> str:
    """Return the SHA-256 of a SubjectPublicKeyInfo in hex, as nats-server's `pinned_certs` and CONNZ have it."""
    return hashlib.sha256(public).hexdigest()


def key_bits(key: PublicObject) -> bytes:
    """Return the bits of a public key as SubjectPublicKeyInfo has them, which OCSP and identifiers hash."""
    match key:
        case ed25519.Ed25519PublicKey():
            return key.public_bytes_raw()
        case rsa.RSAPublicKey():
            return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        case ec.EllipticCurvePublicKey():
            return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_id(key: PublicObject) -> bytes:
    """Return the 20 bytes that name a key in certificates: RFC 7093 section 2, method 1 (FIPS has no SHA-1)."""
    return hashlib.sha256(key_bits(key)).digest()[:20]


def new_serial(entropy: bytes) -> int:
    """Return a serial number, positive and of 127 bits, from 32 random bytes.

    RFC 5280 4.1.2.2 allows 20 octets; a set highest bit makes all as long, so that none is told by its size.
    """
    if len(entropy) != SERIAL_ENTROPY_BYTES:
        raise ValueError(f"a serial needs {SERIAL_ENTROPY_BYTES} bytes of entropy, not {len(entropy)}")
    return int.from_bytes(entropy[:16], "big") >> 1 | 1 << 126
