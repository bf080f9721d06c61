"""Certificates that somebody else signed for us: only what was asked for is taken, whoever answered."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from x509.judges import verify
from x509.pki import DAY, NATS, NOW, P256, WEATHER, below, leaf, long_root, made, pem, root

from iotsec.x509.answers import AnswerRefusedError, SignedElsewhere, check_answer
from iotsec.x509.authority import Authority
from iotsec.x509.certificate import read_certificate
from iotsec.x509.chain import Chain
from iotsec.x509.keys import generate
from iotsec.x509.names import Names, Usage

KEY = generate(P256)
ROOT = root()
GOOD = leaf(ROOT, KEY)


def taken(certificate: bytes, ca: bytes = ROOT.root, *, names: Names = WEATHER, now: int = NOW) -> SignedElsewhere:
    return check_answer(certificate, ca, names=names, usage=Usage.CLIENT, public=KEY.public, now=now)


def refused(certificate: bytes, ca: bytes = ROOT.root, *, names: Names = WEATHER, now: int = NOW) -> str:
    with pytest.raises(AnswerRefusedError) as error:
        taken(certificate, ca, names=names, now=now)
    return str(error.value)


def blocks(chain: bytes) -> list[bytes]:
    """The certificates of a PEM text, one by one."""
    return [pem(one) for one in x509.load_pem_x509_certificates(chain)]


def test_what_was_asked_for_is_taken_with_the_root_it_leads_to() -> None:
    signed = taken(GOOD)

    assert (signed.certificate, signed.root) == (GOOD, ROOT.root)
    assert (signed.starts_at, signed.expires_at) == (NOW - DAY, NOW + 90 * DAY)


def test_a_root_at_the_end_of_the_chain_is_taken_where_none_is_told() -> None:
    signed = taken(GOOD + ROOT.root, ca=b"")

    assert (signed.certificate, signed.root) == (GOOD, ROOT.root)


def test_a_chain_in_any_order_comes_out_in_that_of_a_handshake() -> None:
    company = long_root()
    plant = below(company)
    first, *above = blocks(leaf(plant, KEY))

    signed = taken(first + company.root + b"".join(above), ca=company.root)

    assert signed.certificate == first + plant.chain
    assert signed.root == company.root


def test_of_several_roots_told_the_one_that_it_leads_to_counts() -> None:
    assert taken(GOOD, ca=root().root + ROOT.root).root == ROOT.root


def test_it_ends_with_the_first_above_it_that_ends() -> None:
    key = generate(P256)
    lasting = made("factory CA", key.signer)
    brief = pem(made("factory CA", key.signer, expires_at=NOW + 30 * DAY))

    signed = taken(leaf(Authority(Chain(lasting, (), lasting), key), KEY), ca=brief)

    assert read_certificate(signed.certificate).expires_at == NOW + 90 * DAY
    assert signed.expires_at == NOW + 30 * DAY


def test_a_certificate_for_a_key_that_is_not_ours_is_refused() -> None:
    """Who answers with a certificate of his own key would be let in as the device."""
    assert refused(leaf(ROOT, generate(P256))) == "the certificate is for another key than was asked for"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (Names("weather-02", WEATHER.dns_names, (), WEATHER.uris), "has not the common name 'weather-01' alone"),
        (Names("", WEATHER.dns_names, (), WEATHER.uris), "has not the common name 'weather-01' alone"),
        (
            Names("weather-01", (*WEATHER.dns_names, "nats.example.com"), (), WEATHER.uris),
            "has the name 'nats.example.com', which was not asked for",
        ),
        (
            Names("weather-01", WEATHER.dns_names, ("10.0.0.1",), WEATHER.uris),
            "has the name '10.0.0.1', which was not asked for",
        ),
        (
            Names("weather-01", (), (), WEATHER.uris),
            f"has not the name '{WEATHER.dns_names[0]}', which was asked for",
        ),
    ],
    ids=["another common name", "no common name", "a DNS name more", "an address more", "a DNS name less"],
)
def test_other_names_than_those_asked_for_are_refused(names: Names, message: str) -> None:
    assert refused(leaf(ROOT, KEY, names=names)).startswith(f"the certificate {message}")


def test_the_names_of_a_server_are_all_looked_at() -> None:
    answer = leaf(ROOT, KEY, names=NATS)

    assert taken(answer, names=NATS).certificate == answer


def test_a_certificate_for_the_other_side_of_tls_is_refused() -> None:
    assert "is not for the client in TLS" in refused(leaf(ROOT, KEY, usage=Usage.SERVER))


def test_a_clients_certificate_that_a_server_could_show_is_refused() -> None:
    assert "is good for a server, too" in refused(leaf(ROOT, KEY, usage=Usage.PEER))


def test_a_certificate_that_could_sign_others_is_refused() -> None:
    ca = made("weather-01", KEY.signer, issuer=ROOT)

    assert refused(pem(ca)) == "the certificate is one of a CA, which was not asked for"


def test_one_that_ended_is_refused_and_one_that_has_not_begun_says_when() -> None:
    assert "the certificate ended at 2026-12-" in refused(GOOD, now=NOW + 90 * DAY)
    assert taken(GOOD, now=NOW - DAY).starts_at == NOW - DAY


def test_a_certificate_that_the_told_ca_has_not_signed_is_refused() -> None:
    namesake = root()

    assert refused(leaf(namesake, KEY)) == "none of the CAs that came with the certificate has signed it"


def test_a_chain_to_another_root_than_the_told_one_is_refused() -> None:
    company = long_root()
    plant = below(company)

    message = refused(leaf(plant, KEY) + company.root, ca=long_root().root)

    assert "which is not in the root given" in message


def test_an_intermediate_of_no_use_is_refused() -> None:
    company, key = long_root(), generate(P256)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.signer.public_key())
    no_ca = made("plant CA", key.signer, issuer=company, extensions=((key_id, False),))

    message = refused(leaf(Authority(Chain(no_ca, (), company.own), key), KEY), ca=company.root)

    assert message.startswith("the CA certificate 'CN=plant CA' is not a CA")


@pytest.mark.parametrize("ca", [b"", b"\n"], ids=["nothing", "white space"])
def test_an_issuer_that_tells_no_ca_is_told_how_to(ca: bytes) -> None:
    message = refused(GOOD, ca=ca)

    assert message.startswith("the issuer tells no CA, so that nobody can verify the certificate: append the root")


def test_an_intermediate_is_no_root() -> None:
    plant = below(long_root())

    message = refused(leaf(plant, KEY), ca=plant.certificate)

    assert message.startswith("the issuer tells as its CA an intermediate")


def test_what_is_taken_is_what_openssl_verifies(tmp_path: Path) -> None:
    company = long_root()

    signed = taken(leaf(below(company), KEY), ca=company.root)

    assert verify(tmp_path, signed.certificate, signed.root, "sslclient") == ""


@pytest.mark.parametrize("certificate", [b"", b"rubbish", GOOD[:80], KEY.to_pem()])
def test_what_is_no_certificate_is_refused_without_showing_it(certificate: bytes) -> None:
    assert refused(certificate) == "the certificate is not PEM"


def test_rubbish_for_a_ca_is_refused() -> None:
    assert refused(GOOD, ca=b"rubbish") == "the CA that is told is not PEM"


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_no_damage_makes_it_a_certificate_for_another_key_or_name(position: int, rubbish: bytes) -> None:
    damaged = GOOD[:position] + rubbish + GOOD[position + len(rubbish) :]
    try:
        signed = taken(damaged)
    except AnswerRefusedError:
        return
    facts = read_certificate(signed.certificate)
    assert (facts.public, facts.names) == (KEY.public, WEATHER)


def test_a_key_of_an_unknown_kind_is_refused() -> None:
    odd = made("weather-01", ec.generate_private_key(ec.SECP224R1()), extensions=())

    assert refused(pem(odd)) == "the certificate is for another key than was asked for"
