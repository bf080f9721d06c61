"""nkeys: the Ed25519 and X25519 keys of NATS in the text form its servers and clients read.

The text forms are those of nkeys `strkey.go`: base32 without padding over prefix byte, 32 key bytes and a CRC16
(XMODEM, little endian). `nkeys` signs. It can neither check the CRC of a seed nor read curve keys: the codec is here.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from enum import StrEnum
from typing import Final, Never

import nkeys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

ENTROPY_BYTES: Final = 32
PUBLIC_KEY_LENGTH: Final = 56
SEED_LENGTH: Final = 58

_SEED_PREFIX: Final = nkeys.PREFIX_BYTE_SEED
_CURVE_PREFIX: Final = 23 << 3
_SEED_SHAPE: Final = re.compile(r"\s*S[A-Z2-7]{57}\s*", re.IGNORECASE)


class InvalidKey(ValueError):  # noqa: N818 - named for the value it is about, as its siblings are
    """A text is no nkey, or not of the kind that is needed. The message never holds the text: it may be a secret."""


class KeyType(StrEnum):
    """What an nkey is for; the value is the letter its public form starts with."""

    OPERATOR = "O"
    ACCOUNT = "A"
    USER = "U"
    SERVER = "N"
    CLUSTER = "C"
    CURVE = "X"


_PREFIXES: Final[dict[KeyType, int]] = {
    KeyType.OPERATOR: nkeys.PREFIX_BYTE_OPERATOR,
    KeyType.ACCOUNT: nkeys.PREFIX_BYTE_ACCOUNT,
    KeyType.USER: nkeys.PREFIX_BYTE_USER,
    KeyType.SERVER: nkeys.PREFIX_BYTE_SERVER,
    KeyType.CLUSTER: nkeys.PREFIX_BYTE_CLUSTER,
    KeyType.CURVE: _CURVE_PREFIX,
}
_KINDS: Final[dict[int, KeyType]] = {prefix: kind for kind, prefix in _PREFIXES.items()}


def public_key_type(text: str) -> KeyType:
    """The kind of a public nkey, after its alphabet, length, checksum and prefix were checked.

    Raises `InvalidKey`.
    """
    return _read_public(text)[0]


def check_public_key(text: str, expected: KeyType) -> str:
    """`text`, which is a public nkey of the `expected` kind; raises `InvalidKey` where it is not."""
    found = public_key_type(text)
    if found is not expected:
        raise InvalidKey(f"this is {_name(found)} key: {_wanted(expected)}")
    return text


class Seed:
    """The private half of an nkey, as text bytes (`SU…`). Prints masked, cannot be pickled or copied.

    Equality takes the same time whatever the difference. It checks nothing: `SigningKey.from_seed` does.
    """

    __slots__ = ("_text",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: bytes) -> None:
        self._text = bytes(text).strip()

    def reveal(self) -> bytes:
        """The seed itself, for a Secret or a signer. Log, compare or format the `Seed`, never this."""
        return self._text

    def __repr__(self) -> str:
        letter = self._text[1:2].decode("ascii", "replace")
        return f"Seed({letter if letter in _KINDS.values() else '?'}…masked)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Seed):
            return NotImplemented
        return hmac.compare_digest(self._text, other._text)

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a seed is neither pickled nor copied: pass on the object that holds it, or call reveal()")


class SigningKey:
    """A key pair that signs tokens, or, of kind CURVE, one that seals messages and signs nothing.

    Made by `generate` or `from_seed`; its fields do not change. Prints its public key only.
    """

    __slots__ = ("_pair", "_public", "_seed")

    def __init__(self, *, public: str, seed: Seed, pair: nkeys.KeyPair | None) -> None:
        self._public = public
        self._seed = seed
        self._pair = pair

    @classmethod
    def generate(cls, kind: KeyType, entropy: bytes) -> SigningKey:
        """The key pair of `kind` that 32 bytes of `entropy` stand for; raises `InvalidKey` for any other length."""
        if len(entropy) != ENTROPY_BYTES:
            raise InvalidKey(f"a key needs {ENTROPY_BYTES} bytes of entropy, not {len(entropy)}")
        prefix = _PREFIXES[kind]
        body = bytes((_SEED_PREFIX | prefix >> 5, (prefix & 31) << 3)) + entropy
        return cls._of(kind, entropy, Seed(_encode(body)))

    @classmethod
    def from_seed(cls, seed: bytes | Seed, expected: KeyType | None = None) -> SigningKey:
        """The key pair of a seed, which may end in white space as files do.

        Raises `InvalidKey` if the text is no seed, was damaged, or is not of the `expected` kind.
        """
        held = seed if isinstance(seed, Seed) else Seed(seed)
        kind, entropy = _read_seed(held.reveal())
        if expected is not None and kind is not expected:
            raise InvalidKey(
                f"this is the seed of {_name(kind)} key: write the seed of {_name(expected)} key (S{expected}…)"
            )
        return cls._of(kind, entropy, held)

    @classmethod
    def _of(cls, kind: KeyType, entropy: bytes, seed: Seed) -> SigningKey:
        if kind is KeyType.CURVE:
            point = X25519PrivateKey.from_private_bytes(entropy).public_key().public_bytes_raw()
            return cls(public=_encode(bytes((_CURVE_PREFIX,)) + point).decode(), seed=seed, pair=None)
        pair = nkeys.from_seed(seed.reveal())
        return cls(public=pair.public_key.decode(), seed=seed, pair=pair)

    @property
    def public(self) -> str:
        """The public key, 56 characters that start with the letter of the kind."""
        return self._public

    @property
    def kind(self) -> KeyType:
        """What the key is for."""
        return KeyType(self._public[0])

    @property
    def seed(self) -> Seed:
        """The private half."""
        return self._seed

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `message`; raises `InvalidKey` for a curve key."""
        if self._pair is None:
            raise InvalidKey(
                "a curve key (X…) seals messages and signs nothing: sign with an operator, account or user key"
            )
        signature: bytes = self._pair.sign(message)
        return signature

    def __repr__(self) -> str:
        return f"SigningKey({self._public})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SigningKey):
            return NotImplemented
        return self._public == other._public

    def __hash__(self) -> int:
        return hash(self._public)

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a signing key is neither pickled nor copied: pass the object on")


def verify(public: str, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message` by the Ed25519 key `public`.

    Raises `InvalidKey` if `public` is no public nkey or a curve key, which signs nothing.
    """
    kind, raw = _read_public(public)
    if kind is KeyType.CURVE:
        raise InvalidKey("a curve key (X…) signs nothing: verify with the public key of the signer")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _encode(body: bytes) -> bytes:
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).rstrip(b"=")


def _decode(text: str | bytes) -> bytes | None:
    """The bytes under the checksum, or None where alphabet, padding bits or checksum are wrong."""
    try:
        raw = base64.b32decode(text + ("=" if isinstance(text, str) else b"=") * (-len(text) % 8))  # type: ignore[operator]
    except (binascii.Error, ValueError):
        return None
    body, checksum = raw[:-2], raw[-2:]
    return body if binascii.crc_hqx(body, 0).to_bytes(2, "little") == checksum else None


def _read_public(text: str) -> tuple[KeyType, bytes]:
    if _SEED_SHAPE.fullmatch(text):
        raise InvalidKey(
            "this is a seed (S…), the secret half of a key: write the public key here, and replace the key it shows"
        )
    if len(text) != PUBLIC_KEY_LENGTH:
        raise InvalidKey(f"a public key has {PUBLIC_KEY_LENGTH} characters, this has {len(text)}: copy it in full")
    body = _decode(text)
    if body is None:
        raise InvalidKey(
            "the checksum of this public key is wrong: copy it again, upper case letters and digits 2 to 7"
        )
    kind = _KINDS.get(body[0])
    if kind is None:
        raise InvalidKey(f"this is no public key: write one that starts with one of {', '.join(KeyType)}")
    return kind, body[1:]


def _read_seed(text: bytes) -> tuple[KeyType, bytes]:
    if len(text) != SEED_LENGTH or not text.startswith(b"S"):
        raise InvalidKey(
            f"a seed has {SEED_LENGTH} characters and starts with S: write the seed alone, nothing around it"
        )
    body = _decode(text)
    if body is None:
        raise InvalidKey("the checksum of this seed is wrong, so it was damaged: restore it from where it was made")
    kind = _KINDS.get((body[0] & 7) << 5 | body[1] >> 3)
    if body[0] & 0xF8 != _SEED_PREFIX or kind is None:
        raise InvalidKey(f"this is the seed of no known kind of key: its second letter is one of {', '.join(KeyType)}")
    return kind, body[2:]


def _name(kind: KeyType) -> str:
    article = "an" if kind in (KeyType.OPERATOR, KeyType.ACCOUNT) else "a"
    return f"{article} {kind.name.lower()}"


def _wanted(kind: KeyType) -> str:
    return f"write the public key of {_name(kind)}, which starts with {kind}"
