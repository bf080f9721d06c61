"""When a certificate of the servers is kept, and when there is another."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from decide.signing_operator import ASKED, ASKING, HELD, ISSUER, OURS, SIGNING, THEIRS, VIEW, Operator, issued, placed
from x509.judges import verify
from x509.pki import DAY, NATS, NOW, P256, P384, long_root, made, pem, root

from iotsec.decide.authorities import of_authority, of_root, source_of
from iotsec.decide.orders import OrderState
from iotsec.decide.server_certificates import (
    Outcome,
    ServerCertificate,
    read_server_certificate,
)
from iotsec.x509.authority import read_authority
from iotsec.x509.certificate import matches
from iotsec.x509.keys import generate
from iotsec.x509.names import Usage


@pytest.fixture
def operator() -> Operator:
    return Operator()


def test_the_first_certificate_says_what_is_wanted_and_is_verified_by_the_ca(operator: Operator) -> None:
    outcome = operator.plan(None, replace(VIEW, ocsp_url="http://revocation/ocsp", crl_url="http://revocation/crl"))

    made = outcome.certificate
    assert made is not None
    assert (outcome.is_new, outcome.waits_for) == (True, "")
    assert made.facts.names == replace(NATS, dns_names=tuple(sorted(NATS.dns_names)))
    assert (made.facts.issued_at, made.facts.expires_at) == (NOW - 60, NOW + 90 * DAY)
    assert matches(made.certificate, made.key.to_pem())
    assert made.is_of(SIGNING)
    assert outcome.due is not None
    assert NOW + 54 * DAY <= outcome.due <= NOW + 60 * DAY


def test_a_certificate_that_is_as_wanted_stays_until_its_time(operator: Operator) -> None:
    due = operator.plan(HELD).due
    assert due is not None

    assert operator.plan(HELD) == Outcome(HELD, due=due)
    assert operator.plan(HELD, now=due - 1) == Outcome(HELD, due=due)
    assert operator.plan(HELD, now=due).is_new
    assert len(operator.made) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"wanted": (replace(NATS, dns_names=(*NATS.dns_names, "new.example.com")), Usage.SERVER)},
        {"wanted": (replace(NATS, ip_addresses=()), Usage.SERVER)},
        {"wanted": (replace(NATS, uris=("spiffe://plant.iot/a",)), Usage.SERVER)},
        {"wanted": (replace(NATS, common_name="nats-2"), Usage.SERVER)},
        {"tls": replace(VIEW, key_type=P384)},
        {"tls": replace(VIEW, authority=THEIRS), "signing": of_authority(THEIRS, "selfSigned/ECDSA 256")},
        {"tls": replace(VIEW, ocsp_url="http://revocation.iot:8085/ocsp/iot/plant")},
        {"forced": True},
    ],
    ids=[
        "a name more",
        "an address less",
        "a URI",
        "another name",
        "another key",
        "another CA",
        "whom to ask about it",
        "asked for",
    ],
)
def test_a_certificate_that_is_not_as_wanted_is_replaced_at_once(operator: Operator, change: dict[str, Any]) -> None:
    outcome = operator.plan(HELD, **change)

    assert outcome.is_new
    assert outcome.certificate is not None
    assert outcome.certificate.key != HELD.key
    assert outcome.certificate.facts.serial != HELD.facts.serial
    assert operator.plan(outcome.certificate, **change | {"forced": False}).is_new is False


def test_the_order_of_names_is_no_change(operator: Operator) -> None:
    turned = replace(NATS, dns_names=tuple(reversed(NATS.dns_names)), ip_addresses=tuple(reversed(NATS.ip_addresses)))

    assert not operator.plan(HELD, wanted=(turned, Usage.SERVER)).is_new


def test_a_key_that_is_to_be_kept_is_kept_while_it_is_of_the_kind_that_is_wanted(operator: Operator) -> None:
    kept = operator.plan(HELD, replace(VIEW, keep_key=True), forced=True).certificate
    other = operator.plan(HELD, replace(VIEW, keep_key=True, key_type=P384), forced=True).certificate

    assert kept is not None
    assert other is not None
    assert (kept.key, other.key.key_type) == (HELD.key, P384)
    assert matches(kept.certificate, HELD.key.to_pem())


def test_no_certificate_outlives_its_ca(operator: Operator) -> None:
    short = root(expires_at=NOW + 10 * DAY)

    made = operator.plan(None, replace(VIEW, authority=short), of_authority(short, "ca/ours")).certificate

    assert made is not None
    assert made.facts.expires_at == NOW + 10 * DAY


def test_near_the_end_of_its_ca_a_certificate_is_not_replaced_by_one_that_ends_with_it(operator: Operator) -> None:
    short = root(expires_at=NOW + 10 * DAY)
    tls, signing = replace(VIEW, authority=short), of_authority(short, "ca/ours")
    held = operator.plan(None, tls, signing).certificate

    assert operator.plan(held, tls, signing, now=NOW + 9 * DAY) == Outcome(held)
    assert operator.plan(held, tls, signing, now=NOW + 9 * DAY, forced=True).is_new


@pytest.mark.parametrize("held", [None, HELD])
def test_without_a_ca_what_works_stays_and_what_is_missing_is_told(
    operator: Operator, held: ServerCertificate | None
) -> None:
    keyless = replace(VIEW, authority=None, problem="the key of the CA is not at hand")

    outcome = operator.plan(held, keyless, forced=True)

    assert outcome == Outcome(held, waits_for="the key of the CA is not at hand")


def test_a_certificate_is_of_a_ca_where_whoever_trusts_that_ca_can_verify_it(tmp_path: Path) -> None:
    key = generate(P256)
    former, renewed, renamed = (
        read_authority(pem(made(name, key.signer)), key.to_pem(), now=NOW) for name in ("plant", "plant", "plant 2")
    )
    held = issued(authority=former)

    assert held.is_of(of_authority(former, "ca/a"))
    assert held.is_of(of_authority(renewed, "ca/a"))
    assert not held.is_of(of_authority(renamed, "ca/a"))
    assert verify(tmp_path, held.certificate, renewed.root, "sslserver") == ""
    assert verify(tmp_path, held.certificate, renamed.root, "sslserver") != ""


def test_a_certificate_is_not_of_a_ca_that_is_signed_by_another_root_now(tmp_path: Path) -> None:
    key, companies = generate(P256), (long_root(), long_root())
    former, moved = (
        read_authority(pem(made("plant", key.signer, issuer=one)), key.to_pem(), root=one.root, now=NOW)
        for one in companies
    )
    held = issued(authority=former)

    assert held.is_of(of_authority(former, "ca/a"))
    assert held.is_of(of_root(former.root, source_of(ISSUER)))
    assert not held.is_of(of_authority(moved, "ca/a"))
    assert not held.is_of(of_root(moved.root, source_of(ISSUER)))
    assert verify(tmp_path, held.certificate, moved.root, "sslserver") != ""


def test_a_secret_reads_back_as_its_certificate() -> None:
    assert read_server_certificate({"tls.crt": HELD.certificate, "tls.key": HELD.key.to_pem()}) == HELD


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tls.crt": HELD.certificate},
        {"tls.key": HELD.key.to_pem()},
        {"tls.crt": b"garbled", "tls.key": HELD.key.to_pem()},
        {"tls.crt": HELD.certificate, "tls.key": b"garbled"},
        {"tls.crt": HELD.certificate, "tls.key": generate(P256).to_pem()},
    ],
    ids=["nothing", "no key", "no certificate", "a garbled certificate", "a garbled key", "the key of another"],
)
def test_a_certificate_without_its_key_is_none(data: dict[str, bytes]) -> None:
    assert read_server_certificate(data) is None


def test_whatever_is_planned_no_key_is_without_its_certificate_and_none_is_shown(operator: Operator) -> None:
    views = (VIEW, replace(VIEW, keep_key=True), replace(VIEW, key_type=P384), ASKING)
    orders = (None, *(placed(state) for state in OrderState), placed(OrderState.SIGNED, by=OURS))

    for held, tls, signing, at, order_placed, forced in itertools.product(
        (None, HELD), views, (None, SIGNING, ASKED), (NOW, NOW + 89 * DAY), orders, (False, True)
    ):
        outcome = operator.plan(held, tls, signing, now=at, placed=order_placed, forced=forced)

        used = outcome.certificate
        assert used is None or matches(used.certificate, used.key.to_pem())
        assert used is not None or outcome.waits_for
        assert held is None or used is not None
        assert "PRIVATE KEY" not in repr(outcome)
