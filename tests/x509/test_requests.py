"""Requests of devices that keep their keys: whose are answered, and what the others are told."""

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from x509.judges import openssl
from x509.pki import CA_USAGE, KEY_TYPES, NATS, P256, RSA2048, WEAK, WEATHER, Signer

from iotsec.x509.keys import KeyType, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import REQUEST_BYTES, RequestRefusedError, make_request, read_request

KEY = ec.generate_private_key(ec.SECP256R1())
GOOD = make_request(generate(P256), WEATHER, Usage.CLIENT)


def request(*extensions: x509.ExtensionType, key: Signer = KEY, subject: str = "weather-01") -> bytes:
    builder = x509.CertificateSigningRequestBuilder(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def refused(pem: bytes, names: Names = WEATHER) -> str:
    with pytest.raises(RequestRefusedError) as error:
        read_request(pem, names)
    return str(error.value)


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
@pytest.mark.parametrize("usage", list(Usage))
def test_a_request_of_ours_is_read_and_accepted_by_openssl(key_type: KeyType, usage: Usage) -> None:
    key = generate(key_type)

    pem = make_request(key, NATS, usage)

    assert read_request(pem, NATS) == key.public
    assert b"self-signature verify OK" in openssl("req", "-verify", "-noout", stdin=pem).stderr


@pytest.mark.parametrize("algorithm", [("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), ("rsa:2048",), ("ed25519",)])
def test_a_request_as_devices_make_them_with_openssl_is_answered(algorithm: tuple[str, ...]) -> None:
    made = openssl("req", "-new", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=any", "-newkey", *algorithm)

    assert read_request(made.stdout, WEATHER)


def test_the_names_it_says_may_be_fewer_than_ours_but_no_others() -> None:
    (own,) = WEATHER.dns_names
    assert read_request(request(x509.SubjectAlternativeName([x509.DNSName(own)])), WEATHER)

    foreign = x509.SubjectAlternativeName([x509.DNSName(own), x509.DNSName("weather-02.fleet")])
    assert "names that are not its own, 'weather-02.fleet' first" in refused(request(foreign))


def test_the_subject_it_says_is_not_looked_at() -> None:
    assert read_request(request(subject="weather-02"), WEATHER)


@pytest.mark.parametrize(
    "name",
    [
        x509.UniformResourceIdentifier("spiffe://cluster.local/ns/fleet/device/weather-02"),
        x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        x509.RFC822Name("root@example.com"),
        x509.DirectoryName(x509.Name([])),
    ],
    ids=lambda name: type(name).__name__,
)
def test_another_s_name_of_any_kind_is_refused(name: x509.GeneralName) -> None:
    assert "names that are not its own" in refused(request(x509.SubjectAlternativeName([name])))


@pytest.mark.parametrize(
    ("extension", "message"),
    [
        (x509.BasicConstraints(ca=True, path_length=0), "a CA certificate (CA:TRUE): identities sign nothing"),
        (CA_USAGE, "the right to sign certificates or CRLs"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), "uses other than TLS"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), "uses other than TLS"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), "uses other than TLS"),
    ],
)
def test_rights_that_no_identity_has_are_refused(extension: x509.ExtensionType, message: str) -> None:
    assert refused(request(extension)).startswith(f"the request asks for {message}")


def test_what_other_tools_ask_for_by_habit_is_passed_over() -> None:
    habits = (
        x509.BasicConstraints(ca=False, path_length=None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
        x509.SubjectKeyIdentifier(b"x" * 20),
    )

    assert read_request(request(*habits), WEATHER)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (rsa.generate_private_key(65537, WEAK), "an RSA key of 1024 bits is not taken: use one of 2048 to 4096 bits"),
        (ec.generate_private_key(ec.SECP224R1()), "the curve secp224r1 is not taken: use P-256 or P-384"),
        (dsa.generate_private_key(2048), "a key of this algorithm is not taken: use ECDSA, RSA or Ed25519"),
    ],
    ids=["RSA 1024", "P-224", "DSA"],
)
def test_a_weak_or_odd_key_is_refused(key: Signer, message: str) -> None:
    assert refused(request(key=key)) == f"the key of the request is refused: {message}"


@pytest.mark.parametrize("victim", [P256, RSA2048], ids=str)
def test_a_request_for_another_s_public_key_is_refused(victim: KeyType) -> None:
    """Who could ask for a certificate of a key that he does not hold would pass for its holder's namesake."""
    theirs = make_request(generate(victim), WEATHER, Usage.CLIENT)
    mine = make_request(generate(victim), WEATHER, Usage.CLIENT)
    public = [
        x509.load_pem_x509_csr(pem).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for pem in (mine, theirs)
    ]
    forged = x509.load_pem_x509_csr(mine).public_bytes(Encoding.DER).replace(*public)

    pem = openssl("req", "-inform", "DER", "-outform", "PEM", stdin=forged).stdout

    assert public[1] in x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)
    assert refused(pem) == (
        "the request is not signed by the key it is for, with a hash that still counts: make it with the private key "
        "of this public key, and SHA-256 or stronger"
    )


def test_a_request_signed_with_a_broken_hash_is_refused() -> None:
    weak = openssl("req", "-new", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x", "-newkey", "rsa:2048", "-sha1")

    assert "not signed by the key it is for, with a hash that still counts" in refused(weak.stdout)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "this is no certificate signing request"),
        (b"rubbish", "this is no certificate signing request"),
        (GOOD.replace(b"M", b"N", 3), "this is no certificate signing request"),
        (GOOD[:150], "this is no certificate signing request"),
        (GOOD + GOOD, "more than one PEM block: write one request alone"),
        (GOOD + b" " * REQUEST_BYTES, "at most 16384 bytes"),
        (GOOD + generate(P256).to_pem(), "there is a private key with the request"),
    ],
)
def test_what_is_not_one_request_is_refused(text: bytes, message: str) -> None:
    assert message in refused(text)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_no_damage_passes_for_another_s_key(position: int, rubbish: bytes) -> None:
    damaged = GOOD[:position] + rubbish + GOOD[position + len(rubbish) :]
    public = read_request(GOOD, WEATHER)
    try:
        found = read_request(damaged, WEATHER)
    except RequestRefusedError:
        return
    assert found == public


@given(st.binary(max_size=300))
def test_rubbish_is_refused_and_never_an_error_of_another_kind(rubbish: bytes) -> None:
    refused(rubbish)
