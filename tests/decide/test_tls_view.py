"""What identities are given of their Hub's encryption, at each step of a rotation."""

from dataclasses import replace
from typing import Any

import pytest
from api.objects import hub
from api.tls_policies import asking, policy, revoking
from decide.trusting_world import DISTRIBUTE, START, new_ca

from iotsec.api.hub import parse_hub
from iotsec.api.tls_policy import TLSPolicy
from iotsec.decide.authorities import Authorities, Phase, first, of_root, read_authorities, source_of
from iotsec.decide.ca_rotation import Convergence, Pace, advanced, begin
from iotsec.decide.certificate_annotations import certificate_annotations
from iotsec.decide.revoked_certificates import RevokedCertificates
from iotsec.decide.tls_given import first_view, kept_view, tls_view
from iotsec.decide.tls_settings import TlsSettings, tls_settings
from iotsec.decide.tls_view import TlsView
from iotsec.x509.names import Names

PACE = Pace(distribute_for=DISTRIBUTE)
OLD, NEW = new_ca(START), new_ca(START)
STEADY = first(OLD, now=START)
TRUST = begin(STEADY, NEW, PACE, now=START)
ARRIVED = advanced(TRUST, Convergence(""), PACE, now=START)
USE = advanced(ARRIVED, Convergence(""), PACE, now=START + DISTRIBUTE)


def settled(obj: dict[str, Any]) -> TlsSettings:
    return tls_settings(TLSPolicy.parse(obj).spec, parse_hub(hub()).spec, name="plant", namespace="iot")


def view(state: Authorities, obj: dict[str, Any] | None = None) -> TlsView:
    return tls_view(settled(obj or policy()), state, RevokedCertificates(), hub="iot/plant")


def test_in_peace_there_is_one_root_and_it_signs() -> None:
    seen = view(STEADY)

    assert (seen.bundle, seen.generation, seen.accepted) == (OLD.root, OLD.id, {OLD.id})
    assert (seen.authority, seen.problem, seen.reissue_deadline) == (OLD.authority, "", None)


def test_a_root_that_is_added_changes_the_bundle_and_not_who_signs() -> None:
    assert (view(TRUST).bundle, view(TRUST).generation) == (OLD.root + NEW.root, OLD.id)
    assert view(TRUST).accepted == {OLD.id, NEW.id}
    assert view(TRUST).digest != view(STEADY).digest


def test_when_another_ca_signs_nobodys_bundle_changes() -> None:
    assert USE.phase is Phase.USE
    assert view(USE).generation == NEW.id
    assert (view(USE).bundle, view(USE).digest) == (view(TRUST).bundle, view(TRUST).digest)


@pytest.mark.parametrize("state", [STEADY, TRUST, USE])
def test_where_nobody_can_tell_how_it_should_be_everybodys_bundle_stays_as_it_is(state: Authorities) -> None:
    kept = kept_view(state, RevokedCertificates(), mutual=True, problem="spec.listeners: no such cipher")

    assert (kept.bundle, kept.digest, kept.accepted) == (view(state).bundle, view(state).digest, view(state).accepted)


def test_whom_certificates_are_told_to_be_of_stays_as_it_is_then_too() -> None:
    settings = settled(asking())
    assert settings.issuer is not None
    found = first(of_root(OLD.root, source_of(settings.issuer)), now=START)

    assert kept_view(found, RevokedCertificates(), mutual=True, problem="…").issuer == settings.issuer
    assert kept_view(STEADY, RevokedCertificates(), mutual=True, problem="…").issuer is None


def test_what_a_former_ca_issued_waits_a_day_for_its_turn_at_most() -> None:
    assert view(USE).reissue_deadline == USE.since + 86400


def test_a_ca_without_its_key_signs_nothing_and_is_trusted() -> None:
    data = {name: value for name, value in STEADY.to_data().items() if not name.endswith(".key")}

    seen = view(read_authorities(data, now=START))

    assert (seen.bundle, seen.generation, seen.authority) == (OLD.root, "", None)
    assert "what was issued stays" in seen.problem


def test_an_issuer_signs_without_a_key_of_ours() -> None:
    issuer = settled(asking()).issuer
    assert issuer is not None
    asked = first(of_root(OLD.root, source_of(issuer)), now=START)

    seen = view(asked, asking())

    assert (seen.issuer, seen.authority, seen.generation, seen.problem) == (issuer, None, asked.signing.id, "")


def test_before_there_is_a_ca_nobody_is_trusted() -> None:
    seen = first_view(settled(asking()))

    assert (seen.bundle, seen.digest, seen.generation, seen.accepted) == (b"", "", "", frozenset())


def test_certificates_say_where_to_ask_about_them() -> None:
    seen = view(STEADY, revoking(url="http://revocation.iot:8085/"))

    assert seen.ocsp_url == "http://revocation.iot:8085/ocsp/iot/plant"
    assert seen.crl_url == f"http://revocation.iot:8085/crl/iot/plant/{OLD.key_id}.crl"
    assert (view(STEADY).ocsp_url, view(STEADY).crl_url) == ("", "")


def test_who_signs_with_the_next_ca_is_told_of_its_own_list() -> None:
    assert view(USE, revoking()).crl_url.endswith(f"/{NEW.key_id}.crl")


@pytest.mark.parametrize("mode", ["ServerOnly", "Mutual"])
def test_identities_have_certificates_where_they_show_them(mode: str) -> None:
    assert view(STEADY, policy(mode=mode)).mutual == (mode == "Mutual")


def test_no_key_is_shown() -> None:
    assert "PRIVATE" not in repr(view(USE))
    assert replace(view(USE)) == view(USE)


def test_a_secret_has_the_annotations_of_cert_manager() -> None:
    names = Names(
        "plant-server.iot", dns_names=("nats", "nats.iot"), ip_addresses=("10.0.0.7",), uris=("spiffe://a/b",)
    )

    ours = certificate_annotations("plant-server-tls", names, hub="plant", issuer=None)
    theirs = certificate_annotations("plant-server-tls", names, hub="plant", issuer=settled(asking()).issuer)

    assert ours == {
        "cert-manager.io/certificate-name": "plant-server-tls",
        "cert-manager.io/issuer-name": "plant",
        "cert-manager.io/issuer-kind": "Hub",
        "cert-manager.io/issuer-group": "iotsec.dev",
        "cert-manager.io/common-name": "plant-server.iot",
        "cert-manager.io/alt-names": "nats,nats.iot",
        "cert-manager.io/ip-sans": "10.0.0.7",
        "cert-manager.io/uri-sans": "spiffe://a/b",
    }
    assert {key: value for key, value in theirs.items() if "issuer" in key} == {
        "cert-manager.io/issuer-name": "plant-ca",
        "cert-manager.io/issuer-kind": "Issuer",
        "cert-manager.io/issuer-group": "cert-manager.io",
    }
