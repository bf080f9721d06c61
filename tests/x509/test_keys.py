"""Private keys: what is read is what was written, and no weak one is."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from x509.judges import openssl
from x509.pki import KEY_TYPES, P256, WEAK

from iotsec.x509.keys import (
    InvalidPrivateKeyError,
    KeyType,
    PrivateKey,
    UnusableKeyError,
    generate,
    new_serial,
    spki_sha256,
)

KEY = generate(P256)


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
def test_a_key_is_read_back_as_it_was_written(key_type: KeyType) -> None:
    key = generate(key_type)

    again = PrivateKey.from_pem(key.to_pem())

    assert (again, again.public, again.key_type, again.to_pem()) == (key, key.public, key_type, key.to_pem())
    assert key.to_pem().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_the_size_of_an_ed25519_key_is_no_question() -> None:
    assert KeyType("Ed25519") == KeyType("Ed25519", 256) == generate(KeyType("Ed25519")).key_type


def test_older_forms_of_pem_are_read() -> None:
    traditional = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )

    assert traditional.startswith(b"-----BEGIN EC PRIVATE KEY-----")
    assert PrivateKey.from_pem(traditional).key_type == P256


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "this is no private key: write one PEM block"),
        (KEY.to_pem()[:90], "this is no private key"),
        (openssl("pkey", "-pubout", stdin=KEY.to_pem()).stdout, "this is no private key"),
        (openssl("pkey", "-aes256", "-passout", "pass:x", stdin=KEY.to_pem()).stdout, "is encrypted"),
    ],
    ids=["nothing", "half of it", "a public key", "an encrypted one"],
)
def test_what_is_no_private_key_is_refused(pem: bytes, message: str) -> None:
    with pytest.raises(InvalidPrivateKeyError, match=message):
        PrivateKey.from_pem(pem)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (rsa.generate_private_key(65537, WEAK), "an RSA key of 1024 bits is not taken"),
        (ec.generate_private_key(ec.SECP192R1()), "the curve secp192r1 is not taken"),
        (dsa.generate_private_key(2048), "of this algorithm is not used"),
        (x25519.X25519PrivateKey.generate(), "of this algorithm is not used"),
    ],
    ids=["RSA 1024", "P-192", "DSA", "X25519"],
)
def test_weak_and_odd_keys_are_refused(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | x25519.X25519PrivateKey, message: str
) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(InvalidPrivateKeyError, match=message):
        PrivateKey.from_pem(pem)


def test_a_weak_key_is_not_even_made() -> None:
    with pytest.raises(UnusableKeyError, match="1024 bits"):
        generate(KeyType("RSA", 1024))


def test_a_pin_is_what_openssl_makes_of_the_public_key() -> None:
    public = openssl("pkey", "-pubout", "-outform", "DER", stdin=KEY.to_pem()).stdout

    assert spki_sha256(KEY.public) == hashlib.sha256(public).hexdigest()
    assert KEY.signer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == KEY.public


def test_keys_are_equal_by_their_public_half() -> None:
    assert len({KEY, PrivateKey.from_pem(KEY.to_pem()), generate(P256)}) == 2
    assert KEY.public != KEY


@given(st.binary(min_size=32, max_size=32))
def test_serials_are_positive_and_of_one_length(entropy: bytes) -> None:
    number = new_serial(entropy)

    assert number.bit_length() == 127
    assert len(number.to_bytes(16, "big", signed=True)) == 16


def test_serials_differ_with_the_randomness_they_are_made_of() -> None:
    assert len({new_serial(hashlib.sha256(bytes([n])).digest()) for n in range(100)}) == 100


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_randomness_of_any_other_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes of entropy"):
        new_serial(bytes(length))
