"""Authorities: which are taken, and what those are told whose CA cannot be used."""

import copy
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from x509.judges import openssl
from x509.pki import (
    CA_USAGE,
    DAY,
    ED25519,
    KEY_TYPES,
    NOW,
    P256,
    WEAK,
    below,
    key_pem,
    leaf,
    long_root,
    made,
    pem,
    root,
)

from iotsec.x509.authority import Authority, UnusableAuthorityError, read_authority, self_signed
from iotsec.x509.key_usage import key_usage
from iotsec.x509.keys import KeyType, generate

CA = (x509.BasicConstraints(ca=True, path_length=None), True)
NO_SIGNING = key_usage("digital_signature", "crl_sign")


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
def test_a_root_of_ours_is_read_as_it_was_made(key_type: KeyType) -> None:
    ours = root(key_type)

    read = read_authority(ours.certificate, ours.key.to_pem(), now=NOW)

    assert read == ours
    assert (read.chain, read.root, read.subject) == (b"", ours.certificate, "CN=factory CA")
    assert (read.issued_at, read.expires_at) == (NOW - DAY, NOW + 3650 * DAY)
    assert read.key_id == ours.key_id != root(key_type).key_id


def test_an_intermediate_is_read_in_whatever_order_those_above_it_are_given() -> None:
    company = long_root()
    plant = below(company)
    line = below(plant)
    key = line.key.to_pem()

    expected = (line.certificate + plant.certificate, company.certificate)
    for certificates, trusted in (
        (line.certificate + plant.certificate + company.certificate, b""),
        (line.certificate + company.certificate + plant.certificate, b""),
        (line.certificate + plant.certificate, company.certificate),
        (line.certificate, company.certificate + plant.certificate),
    ):
        read = read_authority(certificates, key, root=trusted, now=NOW)
        assert (read.chain, read.root) == expected


def test_a_ca_made_by_openssl_is_taken(tmp_path: Path) -> None:
    certificate, key = made_by_openssl(tmp_path, "-newkey", "rsa:2048", "-sha256")

    authority = read_authority(certificate, key, now=int(time.time()))

    assert authority.subject == "CN=by hand"
    assert leaf(authority)


def test_a_ca_with_the_serial_zero_is_taken_without_a_warning(tmp_path: Path) -> None:
    certificate, key = made_by_openssl(tmp_path, "-newkey", "rsa:2048", serial="0")

    assert read_authority(certificate, key, now=int(time.time())).subject == "CN=by hand"


def made_by_openssl(directory: Path, *options: str, serial: str = "7") -> tuple[bytes, bytes]:
    certificate, key = directory / "ca.crt", directory / "ca.key"
    openssl(
        *("req", "-x509", "-nodes", "-subj", "/CN=by hand", "-days", "9000", "-set_serial", serial),
        *("-keyout", key, "-out", certificate, *options),
    )
    return certificate.read_bytes(), key.read_bytes()


def refused(certificates: bytes, key: bytes, trusted: bytes = b"", now: int = NOW) -> str:
    with pytest.raises(UnusableAuthorityError) as error:
        read_authority(certificates, key, root=trusted, now=now)
    message = str(error.value)
    assert "-----BEGIN" not in message
    return message


def with_extensions(*extensions: tuple[x509.ExtensionType, bool]) -> Callable[[], tuple[bytes, bytes]]:
    def make() -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        return pem(made("plant CA", key, extensions=extensions)), key_pem(key)

    return make


def lasting(issued_at: int, expires_at: int) -> Callable[[], tuple[bytes, bytes]]:
    def make() -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        return pem(made("plant CA", key, issued_at=issued_at, expires_at=expires_at)), key_pem(key)

    return make


def of_key(make_key: Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]) -> Callable[[], tuple[bytes, bytes]]:
    def make() -> tuple[bytes, bytes]:
        key = make_key()
        return pem(made("plant CA", key)), key_pem(key)

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: (b"", root().key.to_pem()), "the CA certificate cannot be read: this is no certificate"),
        (lambda: (root().certificate[:200], root().key.to_pem()), "the CA certificate cannot be read"),
        (lambda: (root().key.to_pem(), root().key.to_pem()), "the CA certificate cannot be read"),
        (lambda: (root().certificate, b""), "the key of the CA cannot be used: this is no private key"),
        (lambda: (root().certificate, root().certificate), "the key of the CA cannot be used: this is no private key"),
        (lambda: (root().certificate, generate(P256).to_pem()), "the private key is not that of the first certificate"),
        (lambda: (root().certificate, generate(ED25519).to_pem()), "the private key is not that of the first"),
        (lasting(NOW - 9 * DAY, NOW), "'CN=plant CA' expired at 2026-09-21T14:13:20Z: renew it"),
        (lasting(NOW + 60, NOW + DAY), "is not valid before 2026-09-21T14:14:20Z: wait"),
        (with_extensions(), "'CN=plant CA' is not a CA: write one whose basic constraints say CA:TRUE"),
        (with_extensions((x509.BasicConstraints(ca=False, path_length=None), True)), "is not a CA"),
        (with_extensions(CA, (NO_SIGNING, True)), "may not sign certificates: issue it again with keyCertSign"),
        (
            with_extensions(CA, (CA_USAGE, True), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)),
            "may not issue for TLS",
        ),
        (of_key(lambda: rsa.generate_private_key(65537, WEAK)), "an RSA key of 1024 bits is not taken"),
        (of_key(lambda: ec.generate_private_key(ec.SECP224R1())), "the curve secp224r1 is not taken: use P-256"),
        (of_key(lambda: ec.generate_private_key(ec.SECP256K1())), "the curve secp256k1 is not taken: use P-256"),
    ],
)
def test_a_ca_that_cannot_issue_is_refused(make: Callable[[], tuple[bytes, bytes]], message: str) -> None:
    assert message in refused(*make())


@pytest.mark.parametrize("weak", ["-sha1", "-md5"])
def test_a_ca_signed_with_a_broken_hash_is_refused(weak: str, tmp_path: Path) -> None:
    certificate, key = made_by_openssl(tmp_path, "-newkey", "rsa:2048", weak)

    assert "is signed with SHA-1 or weaker: issue it again with SHA-256" in refused(
        certificate, key, now=int(time.time())
    )


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    certificate, key = made_by_openssl(tmp_path, "-newkey", "rsa:2048")
    encrypted = openssl("pkey", "-aes256", "-passout", "pass:hunter2", stdin=key).stdout

    assert "is encrypted: write it without a passphrase" in refused(certificate, encrypted)


def test_a_root_that_allows_no_intermediate_has_none() -> None:
    forbidding = root()
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = made("plant CA", key, issuer=forbidding)

    message = refused(pem(certificate), key_pem(key), forbidding.root)

    assert message == (
        "the root 'CN=factory CA' has a path length of 0 above 1 more authorities: let the lowest that it allows "
        "sign, or issue it again with a greater path length"
    )


@pytest.mark.parametrize(
    ("above", "message"),
    [
        (b"", "the certificate of 'CN=company root', which issued 'CN=plant CA', is missing: append it"),
        (root().certificate, "is missing: append it"),
        (long_root().certificate, "the chain is broken: 'CN=company root' has not signed 'CN=plant CA'"),
        (b"rubbish", "the root of the CA cannot be read"),
    ],
    ids=["nothing", "another's root", "a root of the same name", "rubbish"],
)
def test_a_chain_that_does_not_reach_its_root_is_refused(above: bytes, message: str) -> None:
    plant = below(long_root())

    assert message in refused(plant.certificate, plant.key.to_pem(), above)


def test_a_root_given_is_the_one_that_is_trusted() -> None:
    ours, other = root(), root()

    assert "which is not in the root given" in refused(ours.certificate, ours.key.to_pem(), other.root)


def test_what_is_wrong_above_an_intermediate_makes_it_unusable() -> None:
    weak = rsa.generate_private_key(65537, WEAK)
    above = made("company root", weak)
    key = ec.generate_private_key(ec.SECP256R1())
    signed = signed_by(weak, above, key)

    assert "the root 'CN=company root' has a key that is not used: an RSA key of 1024 bits" in refused(
        pem(signed), key_pem(key), pem(above)
    )


def signed_by(signer: rsa.RSAPrivateKey, above: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A CA certificate below one that this package would not even read the key of."""
    draft = made("plant CA", key)
    builder = x509.CertificateBuilder(
        above.subject, draft.subject, key.public_key(), 9, draft.not_valid_before_utc, draft.not_valid_after_utc
    )
    for extension in draft.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(signer, hashes.SHA256())


def test_an_authority_shows_its_key_nowhere_and_is_neither_pickled_nor_copied() -> None:
    authority = root()
    secret = authority.key.to_pem().splitlines()[1].decode()

    assert secret not in f"{authority!r} {authority} {authority.key!r} {[authority, authority.key]}"
    for held in (authority, authority.key):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="neither pickled nor copied"):
                attempt(held)


def test_authorities_are_equal_by_their_certificates() -> None:
    one, other = root(), root()

    again = read_authority(one.certificate, one.key.to_pem(), now=NOW)
    assert len({one, other, again}) == 2
    assert one != one.certificate


def test_the_name_of_a_generation_is_the_identifier_its_certificate_carries() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    theirs = made("plant CA", key)  # its tool made the identifier with SHA-1
    identifier = theirs.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest

    authority: Authority = read_authority(pem(theirs), key_pem(key), now=NOW)

    assert authority.key_id == identifier.hex()


def test_a_ca_without_an_identifier_gets_one_of_its_key() -> None:
    key = generate(P256)
    ours = self_signed("factory CA", key, serial=1, issued_at=NOW - DAY, expires_at=NOW + DAY)
    theirs = made("factory CA", key.signer, extensions=(CA, (CA_USAGE, True)))

    assert read_authority(pem(theirs), key.to_pem(), now=NOW).key_id == ours.key_id
