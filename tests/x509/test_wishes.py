"""What a request says it wants, for issuers that sign what a request says."""

from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from x509.pki import KEY_TYPES, NATS, P256, RSA2048, WEATHER

from iotsec.x509.keys import KeyType, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import RequestRefusedError, make_request
from iotsec.x509.wishes import read_wishes, sides

GOOD = make_request(generate(P256), WEATHER, Usage.CLIENT)


def request(*extensions: x509.ExtensionType, subject: x509.Name = WEATHER.subject) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM)


OWN_NAMES = x509.SubjectAlternativeName(WEATHER.alternative_names)


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
@pytest.mark.parametrize("usage", list(Usage))
def test_a_request_of_ours_asks_for_what_we_want(key_type: KeyType, usage: Usage) -> None:
    key = generate(key_type)

    wishes = read_wishes(make_request(key, NATS, usage), usage)

    assert wishes.public == key.public
    assert wishes.are_for(NATS, usage)
    assert wishes.purposes == sides(usage)
    assert wishes.key_usages[0] == "digital_signature"
    assert ("key_encipherment" in wishes.key_usages) == (key_type == RSA2048 and usage is not Usage.CLIENT)


def test_the_sides_of_tls_come_in_the_order_of_the_request() -> None:
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]

    wishes = read_wishes(request(OWN_NAMES, x509.ExtendedKeyUsage(both)), Usage.PEER)

    assert wishes.purposes == (Usage.CLIENT, Usage.SERVER)
    assert wishes.are_for(WEATHER, Usage.PEER)


def test_what_a_request_does_not_say_is_what_a_leaf_has() -> None:
    wishes = read_wishes(request(OWN_NAMES), Usage.CLIENT)

    assert (wishes.key_usages, wishes.purposes) == (("digital_signature",), ())
    assert wishes.are_for(WEATHER, Usage.CLIENT)


@pytest.mark.parametrize(
    "pem",
    [
        request(),
        request(OWN_NAMES, subject=Names("weather-02").subject),
        request(OWN_NAMES, subject=x509.Name([*WEATHER.subject, *Names("weather-02").subject])),
        request(x509.SubjectAlternativeName([*WEATHER.alternative_names, x509.DNSName("nats")])),
        request(x509.SubjectAlternativeName([*WEATHER.alternative_names, x509.RFC822Name("root@example.com")])),
        request(OWN_NAMES, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        request(OWN_NAMES, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])),
    ],
    ids=["no names", "another subject", "two subjects", "a name more", "a mail address", "a server", "a peer"],
)
def test_who_asks_for_anything_else_does_not_ask_for_that(pem: bytes) -> None:
    assert not read_wishes(pem, Usage.CLIENT).are_for(WEATHER, Usage.CLIENT)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_a_damaged_request_is_read_or_refused_and_never_an_error_of_another_kind(position: int, rubbish: bytes) -> None:
    damaged = GOOD[:position] + rubbish + GOOD[position + len(rubbish) :]
    with suppress(RequestRefusedError):
        read_wishes(damaged, Usage.CLIENT)
