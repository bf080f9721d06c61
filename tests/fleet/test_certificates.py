"""Certificates of identities where the TLSPolicy is Mutual: shown, refused, replaced and ended, on a running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet.conftest import new_namespace
from fleet.encrypted import EncryptedSite, client_context, encrypted_site

from iotsec.x509.certificate import matches, read_certificate
from iotsec.x509.keys import KeyType, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request
from testbed.clients import connect_as, is_accepted, wait_accepted
from testbed.control_plane import ControlPlane
from testbed.operator import Operator
from testbed.user import condition_of
from testbed.waiting import wait_until

POLICY: dict[str, Any] = {
    "mode": "Mutual",
    "listeners": {"websocket": {"mode": "Off"}, "cluster": {"mode": "Off"}},
    "certificates": {"duration": "24h"},
}


@pytest.fixture(scope="module")
def site(operator: Operator, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """A Hub that tests share which change nothing but identities of their own names."""
    with new_namespace(plane) as user, encrypted_site(user, tmp_path_factory.mktemp("mutual"), **POLICY) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


def revoked_serials(site: EncryptedSite) -> set[str]:
    """The serials that are written down as revoked."""
    data = site.user.secret("plant-revoked-certificates") or {}
    return {serial for text in data.values() for of_ca in json.loads(text)["revoked"].values() for serial in of_ca}


def serial_of(site: EncryptedSite, name: str, kind: str = "Device") -> str:
    found = site.user.get(kind, name)
    assert found is not None
    return str(found["status"]["certificate"]["serial"])


async def test_a_device_shows_its_certificate_and_whoever_has_none_is_refused(
    site: EncryptedSite, tmp_path: Path
) -> None:
    site.user.apply_device("pump")
    device = site.user.wait_ready("Device", "pump")

    pair, creds = site.user.wait_secret("pump-device-tls"), site.user.creds("pump")

    assert condition_of(device, "CertificateIssued")["status"] == "True"
    context = client_context(pair["ca.crt"], pair, directory=tmp_path / "pump")
    async with connect_as(site.server.url, creds, tls=context) as pump:
        assert await pump.may_publish("device.pump.temperature")
    assert not await is_accepted(site.server.url, creds, tls=client_context(pair["ca.crt"]))


async def test_a_certificate_without_credentials_opens_nothing(site: EncryptedSite, tmp_path: Path) -> None:
    site.user.apply_device("fan")
    site.user.wait_ready("Device", "fan")
    site.user.apply_device("valve")
    site.user.wait_ready("Device", "valve")
    pair, creds = site.user.wait_secret("fan-device-tls"), site.user.creds("valve")
    context = client_context(pair["ca.crt"], pair, directory=tmp_path / "fan")

    site.user.delete("Device", "valve")
    site.user.wait_gone("Device", "valve")

    assert not await is_accepted(site.server.url, creds, tls=context)


@pytest.mark.parametrize("kind", ["Device", "Module", "Client"])
def test_every_kind_of_identity_gets_one(site: EncryptedSite, kind: str) -> None:
    name = f"every-{kind.lower()}"
    getattr(site.user, f"apply_{kind.lower()}")(name)

    site.user.wait_ready(kind, name)

    pair = site.user.wait_secret(f"{name}-{kind.lower()}-tls")
    (uri,) = read_certificate(pair["tls.crt"]).names.uris
    assert uri.startswith("spiffe://")
    assert uri.endswith(f"/ns/{site.user.namespace}/{kind.lower()}/{name}")


async def test_a_device_that_keeps_its_key_hands_in_a_request(site: EncryptedSite, tmp_path: Path) -> None:
    key = generate(KeyType())
    request = make_request(key, Names("meter"), Usage.CLIENT).decode()

    site.user.apply_device("meter", certificate={"csr": request})
    site.user.wait_ready("Device", "meter")

    secret = site.user.wait_secret("meter-device-tls")
    assert set(secret) == {"tls.crt", "ca.crt"}
    pair = {**secret, "tls.key": key.to_pem()}
    context = client_context(secret["ca.crt"], pair, directory=tmp_path / "meter")
    assert await is_accepted(site.server.url, site.user.creds("meter"), tls=context)


def test_a_bad_request_is_refused_and_credentials_are_issued_all_the_same(site: EncryptedSite) -> None:
    text = make_request(generate(KeyType()), Names("x", uris=("spiffe://a/ns/b/device/c",)), Usage.CLIENT).decode()

    site.user.apply_device("greedy", certificate={"csr": text})

    device = site.user.wait_reason("Device", "greedy", "CertificateRequestRefused", condition="Stalled")
    assert "not its own" in condition_of(device, "Stalled")["message"]
    assert site.user.wait_secret("greedy-device-creds")
    assert site.user.secret("greedy-device-tls") is None


def test_a_device_may_leave_its_key_to_us_after_all(site: EncryptedSite) -> None:
    request = make_request(generate(KeyType()), Names("relay"), Usage.CLIENT).decode()
    site.user.apply_device("relay", certificate={"csr": request})
    site.user.wait_ready("Device", "relay")
    former = serial_of(site, "relay")

    site.user.patch("Device", "relay", {"spec": {"certificate": None}})

    wait_until(lambda: "tls.key" in (site.user.secret("relay-device-tls") or {}), what="a key of ours")
    pair = site.user.wait_secret("relay-device-tls")
    assert matches(pair["tls.crt"], pair["tls.key"])
    wait_until(lambda: former in revoked_serials(site), what="the certificate of its own key has ended")


async def test_a_certificate_that_is_asked_for_comes_with_another_key_and_the_former_works_on(
    site: EncryptedSite, tmp_path: Path
) -> None:
    site.user.apply_device("motor")
    site.user.wait_ready("Device", "motor")
    before, creds = site.user.wait_secret("motor-device-tls"), site.user.creds("motor")

    site.user.annotate("Secret", "motor-device-tls", {"iotsec.dev/rotate": "now"})

    wait_until(lambda: site.user.wait_secret("motor-device-tls")["tls.key"] != before["tls.key"], what="another key")
    after = site.user.wait_secret("motor-device-tls")
    assert matches(after["tls.crt"], after["tls.key"])
    assert site.user.creds("motor") == creds
    for number, pair in enumerate((before, after)):
        context = client_context(pair["ca.crt"], pair, directory=tmp_path / str(number))
        assert await is_accepted(site.server.url, creds, tls=context)


def test_a_deleted_device_goes_when_its_certificate_is_written_down_as_revoked(site: EncryptedSite) -> None:
    site.user.apply_device("lamp")
    site.user.wait_ready("Device", "lamp")
    serial = serial_of(site, "lamp")

    site.user.delete("Device", "lamp")
    site.user.wait_gone("Device", "lamp")

    assert serial in revoked_serials(site)


async def test_a_suspended_device_comes_back_with_another_certificate(site: EncryptedSite, tmp_path: Path) -> None:
    site.user.apply_device("door")
    site.user.wait_ready("Device", "door")
    former = serial_of(site, "door")

    site.user.apply_device("door", suspended=True)
    site.user.wait_reason("Device", "door", "Suspended")
    assert former in revoked_serials(site)

    site.user.apply_device("door", suspended=False)
    site.user.wait_ready("Device", "door")
    assert serial_of(site, "door") != former
    pair = site.user.wait_secret("door-device-tls")
    context = client_context(pair["ca.crt"], pair, directory=tmp_path / "door")
    assert await is_accepted(site.server.url, site.user.creds("door"), tls=context)


def test_a_device_that_vanishes_by_force_leaves_no_certificate_behind(site: EncryptedSite) -> None:
    site.user.apply_device("ghost")
    site.user.wait_ready("Device", "ghost")
    serial = serial_of(site, "ghost")

    site.user.patch("Device", "ghost", {"metadata": {"finalizers": None}})
    site.user.delete("Device", "ghost")

    wait_until(lambda: serial in revoked_serials(site), what="its certificate has ended")
    wait_until(lambda: site.user.secret("ghost-device-tls") is None, what="its Secret has gone")


def test_what_somebody_changes_in_the_secret_is_put_right(site: EncryptedSite) -> None:
    site.user.apply_device("gate")
    site.user.wait_ready("Device", "gate")
    before = site.user.wait_secret("gate-device-tls")

    site.user.patch("Secret", "gate-device-tls", {"data": {"ca.crt": "", "tls.crt": ""}})

    wait_until(lambda: site.user.wait_secret("gate-device-tls")["ca.crt"] == before["ca.crt"], what="its bundle")
    after = site.user.wait_secret("gate-device-tls")
    assert matches(after["tls.crt"], after["tls.key"])


def test_somebody_elses_secret_of_the_name_is_left_alone_until_it_goes(site: EncryptedSite) -> None:
    site.user.create("Secret", "siren-device-tls", data={"mine": ""})

    site.user.apply_device("siren")

    device = site.user.wait_reason("Device", "siren", "SecretConflict")
    assert "spec.certificate.secretName" in condition_of(device, "Ready")["message"]
    assert site.user.wait_secret("siren-device-tls") == {"mine": b""}
    site.user.delete("Secret", "siren-device-tls")
    site.user.wait_ready("Device", "siren")
    assert set(site.user.wait_secret("siren-device-tls")) == {"tls.crt", "tls.key", "ca.crt"}


async def test_devices_may_have_rsa_keys(operator: Operator, plane: ControlPlane, tmp_path: Path) -> None:  # noqa: ARG001 - it makes the Hub work
    certificates = {"privateKey": {"algorithm": "RSA", "size": 2048}}
    with (
        new_namespace(plane) as user,
        encrypted_site(user, tmp_path, **{**POLICY, "certificates": certificates}) as site,
    ):
        user.apply_device("pump")
        user.wait_ready("Device", "pump")

        pair = user.wait_secret("pump-device-tls")

        context = client_context(pair["ca.crt"], pair, directory=tmp_path / "pump")
        assert await is_accepted(site.server.url, user.creds("pump"), tls=context)


async def test_a_policy_that_becomes_server_only_takes_certificates_away_and_lets_everybody_in(
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    plane: ControlPlane,
    tmp_path: Path,
) -> None:
    with new_namespace(plane) as user, encrypted_site(user, tmp_path, **POLICY) as site:
        user.apply_device("pump")
        user.wait_ready("Device", "pump")

        site.encrypt(**{**POLICY, "mode": "ServerOnly"})

        wait_until(lambda: user.secret("pump-device-tls") is None, what="its certificate has gone")
        creds, bundle = user.creds("pump"), user.wait_secret("pump-device-creds")["ca.crt"]
        await wait_accepted(site.server.url, creds, tls=client_context(bundle))
        device = user.wait_ready("Device", "pump")
        assert "certificate" not in device["status"]
