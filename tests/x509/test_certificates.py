"""Certificates: what those say of them who check them, and what they say themselves."""

from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import given
from hypothesis import strategies as st
from x509.judges import PURPOSES, openssl, verify
from x509.pki import DAY, KEY_TYPES, NATS, NOW, P256, RSA2048, WEATHER, below, leaf, long_root, made, pem, root, serial

from iotsec.x509.authority import Authority, UnusableAuthorityError, read_authority
from iotsec.x509.certificate import CertificateFacts, InvalidCertificateError, issue, matches, read_certificate
from iotsec.x509.chain import Chain
from iotsec.x509.keys import KeyType, UnusableKeyError, generate
from iotsec.x509.names import InvalidNamesError, Names, Usage

ROOT, KEY = root(), generate(P256)
SECONDS = st.integers(min_value=0, max_value=253_402_300_799)


def first(text: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificates(text)[0]


@pytest.mark.parametrize(("of_authority", "of_leaf"), list(product(KEY_TYPES, KEY_TYPES)), ids=str)
def test_openssl_accepts_every_algorithm_for_every_use_by_its_strictest_rules(
    of_authority: KeyType, of_leaf: KeyType, tmp_path: Path
) -> None:
    authority, key = root(of_authority), generate(of_leaf)
    for usage in Usage:
        certificate = leaf(authority, key, names=NATS, usage=usage)
        assert [verify(tmp_path, certificate, authority.root, purpose) for purpose in PURPOSES[usage]] == [
            "" for _ in PURPOSES[usage]
        ]


@pytest.mark.parametrize("of_authority", KEY_TYPES, ids=str)
def test_below_intermediates_the_chain_is_sent_and_the_root_alone_is_trusted(
    of_authority: KeyType, tmp_path: Path
) -> None:
    plant = below(below(long_root(of_authority), P256), of_authority)

    certificate = leaf(plant)

    assert len(x509.load_pem_x509_certificates(certificate)) == 3
    assert verify(tmp_path, certificate, plant.root, "sslclient") == ""
    alone = pem(first(certificate))
    assert "unable to get local issuer certificate" in verify(tmp_path, alone, plant.root, "sslclient")


def test_a_certificate_is_good_for_the_side_it_was_issued_for_and_no_other(tmp_path: Path) -> None:
    client, server = leaf(ROOT, usage=Usage.CLIENT), leaf(ROOT, names=NATS, usage=Usage.SERVER)

    assert "unsuitable certificate purpose" in verify(tmp_path, client, ROOT.root, "sslserver")
    assert "unsuitable certificate purpose" in verify(tmp_path, server, ROOT.root, "sslclient")


def test_a_leaf_cannot_be_used_as_an_authority(tmp_path: Path) -> None:
    key = generate(P256)
    attacker = Authority(Chain(first(leaf(ROOT, key)), (), ROOT.own), key)

    forged = leaf(attacker)

    assert "invalid CA certificate" in verify(tmp_path, forged, ROOT.root, "sslclient")


def test_openssl_finds_the_names_that_were_asked_for(tmp_path: Path) -> None:
    certificate = leaf(ROOT, names=NATS, usage=Usage.SERVER)

    def found(*options: str) -> bool:
        return verify(tmp_path, certificate, ROOT.root, "sslserver", *options) == ""

    assert found("-verify_hostname", "nats.example.com")
    assert found("-verify_hostname", "nats-2.nats-headless.fleet.svc")
    assert found("-verify_ip", "127.0.0.1")
    assert found("-verify_ip", "::1")
    assert not found("-verify_hostname", "nats")  # the common name is no host name
    assert not found("-verify_hostname", "other.example.com")


@given(SECONDS, SECONDS, st.sampled_from(list(Usage)))
def test_a_leaf_never_outlives_its_authority(issued_at: int, expires_at: int, usage: Usage) -> None:
    def issued() -> CertificateFacts:
        text = issue(ROOT, WEATHER, usage, KEY.public, serial=1, issued_at=issued_at, expires_at=expires_at)
        return read_certificate(text)

    end = min(expires_at, ROOT.expires_at)
    if issued_at < end:
        assert (issued().issued_at, issued().expires_at) == (issued_at, end)
    else:
        with pytest.raises(UnusableAuthorityError, match="nothing of a certificate's life"):
            issued()


def test_below_an_intermediate_a_leaf_ends_with_the_first_of_the_chain() -> None:
    key = generate(P256)
    company = long_root()
    own = made("plant CA", key.signer, issuer=company, expires_at=company.expires_at + DAY)
    plant = read_authority(pem(own), key.to_pem(), root=company.root, now=NOW)

    certificate = issue(
        plant, WEATHER, Usage.CLIENT, KEY.public, serial=1, issued_at=NOW, expires_at=NOW + 99_999 * DAY
    )

    assert plant.expires_at == read_certificate(certificate).expires_at == company.expires_at


@given(
    st.integers(1, 2**127),
    st.sampled_from(list(Usage)),
    st.lists(st.sampled_from(["a.example", "b.example", "*.c.example"]), unique=True),
)
def test_the_same_arguments_make_the_same_bytes_to_sign(number: int, usage: Usage, dns_names: list[str]) -> None:
    def to_sign(names: Names) -> bytes:
        text = issue(ROOT, names, usage, KEY.public, serial=number, issued_at=NOW, expires_at=NOW + DAY)
        return first(text).tbs_certificate_bytes

    names = Names("weather-01", dns_names=tuple(dns_names))
    assert to_sign(names) == to_sign(Names("weather-01", dns_names=tuple(reversed(dns_names))))


def test_what_is_read_is_what_was_issued() -> None:
    facts = read_certificate(leaf(ROOT, KEY, names=NATS, number=4711))

    assert facts.serial == 4711
    assert facts.subject == "CN=nats"
    assert facts.issuer_key_id == ROOT.key_id
    assert facts.public == KEY.public
    assert facts.names.common_name == "nats"
    assert set(facts.names.dns_names) == set(NATS.dns_names)
    assert set(facts.names.ip_addresses) == set(NATS.ip_addresses)
    assert len(facts.fingerprint) == 64


def test_where_to_ask_about_a_certificate_is_said_only_where_there_is_somebody_to_ask() -> None:
    certificate = first(
        issue(
            ROOT,
            WEATHER,
            Usage.CLIENT,
            KEY.public,
            serial=1,
            issued_at=NOW,
            expires_at=NOW + DAY,
            ocsp_url="http://revocation.iot/ocsp/fleet/site",
            crl_url="http://revocation.iot/crl/fleet/site/1.crl",
            ca_url="http://revocation.iot/ca/fleet/site/1.crt",
        )
    )
    told = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {access.access_method: access.access_location.value for access in told} == {
        AuthorityInformationAccessOID.OCSP: "http://revocation.iot/ocsp/fleet/site",
        AuthorityInformationAccessOID.CA_ISSUERS: "http://revocation.iot/ca/fleet/site/1.crt",
    }
    silent = first(leaf(ROOT)).extensions
    for extension in (x509.AuthorityInformationAccess, x509.CRLDistributionPoints):
        with pytest.raises(x509.ExtensionNotFound):
            silent.get_extension_for_class(extension)


def test_alternative_names_are_critical_where_the_subject_says_nothing(tmp_path: Path) -> None:
    nameless = leaf(ROOT, names=Names("", uris=("spiffe://cluster.local/ns/fleet/device/weather-01",)))

    assert first(nameless).extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert not first(leaf(ROOT)).extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert verify(tmp_path, nameless, ROOT.root, "sslclient") == ""


def test_only_rsa_keys_of_servers_decipher() -> None:
    def deciphers(key_type: KeyType, usage: Usage) -> bool:
        certificate = first(leaf(ROOT, generate(key_type), usage=usage))
        found = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert found.critical
        assert found.value.digital_signature
        return found.value.key_encipherment

    found = [(key_type, usage) for key_type, usage in product(KEY_TYPES, Usage) if deciphers(key_type, usage)]
    assert found == [(RSA2048, Usage.SERVER), (RSA2048, Usage.PEER)]


@pytest.mark.parametrize("text", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused_and_fits_no_key(text: bytes) -> None:
    with pytest.raises(InvalidCertificateError, match="this is no certificate"):
        read_certificate(text)
    assert not matches(text, KEY.to_pem())


def test_a_certificate_fits_its_own_key_alone() -> None:
    certificate = leaf(ROOT, KEY)

    assert matches(certificate, KEY.to_pem())
    assert not matches(certificate, generate(P256).to_pem())
    assert not matches(certificate, b"")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (Names(""), "a certificate is for somebody"),
        (Names("x" * 65), "at most 64 characters, not 65"),
        (Names("weather\n01"), "no control characters"),
        (Names(" weather-01"), "no white space around it"),
        (Names("a", dns_names=("no name",)), "'no name' is no DNS name"),
        (Names("a", dns_names=("x." * 127 + "example",)), "is no DNS name"),
        (Names("a", dns_names=("a.*.example",)), "is no DNS name"),
        (Names("a", ip_addresses=("300.0.0.1",)), "'300.0.0.1' is no IP address"),
        (Names("a", ip_addresses=("fe80::1%eth0",)), "is no IP address"),
        (Names("a", uris=("weather-01",)), "'weather-01' is no URI with a host"),
        (Names("a", uris=("spiffe://[",)), "is no URI"),
        (Names("a", uris=("spiffe://cluster.local/é",)), "is no URI"),
    ],
)
def test_names_that_no_certificate_can_say_are_refused(names: Names, message: str) -> None:
    with pytest.raises(InvalidNamesError, match=message):
        leaf(ROOT, names=names)


def test_nothing_is_issued_for_what_is_no_key() -> None:
    with pytest.raises(UnusableKeyError, match="no public key"):
        issue(ROOT, WEATHER, Usage.CLIENT, b"rubbish", serial=serial(), issued_at=NOW, expires_at=NOW + DAY)


def test_openssl_reads_the_key_as_we_write_it() -> None:
    for key_type in KEY_TYPES:
        answer = openssl("pkey", "-check", "-noout", stdin=generate(key_type).to_pem())
        assert (answer.returncode, answer.stdout.strip()) == (0, b"Key is valid")
