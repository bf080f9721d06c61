"""Certificates of the servers are renewed, changed and put right on servers that run, and nobody notices."""

import os
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop

from iotsec.x509.bundle import separate
from iotsec.x509.certificate import matches, read_certificate
from iotsec.x509.keys import KeyType, PrivateKey
from testbed.clients import connect_as
from testbed.handshakes import shake_hands
from testbed.openssl_client import judged_by_openssl
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

CLIENTS_ONLY: dict[str, Any] = {"listeners": {name: {"mode": "Off"} for name in ("websocket", "mqtt", "cluster")}}
SECRETS = ("plant-server-tls", "plant-ca", "plant-nats-config")


@pytest.fixture
def site(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """One server, not encrypted yet."""
    with encrypted_site(user, tmp_path / "site") as site:
        yield site


@pytest.fixture
def cluster(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - as above
    """Three servers, encrypted on all their listeners from the start, with certificates of a short life."""
    certificates = {"duration": "2m", "renewBefore": "110s"}
    with encrypted_site(user, tmp_path / "site", size=3, certificates=certificates) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


def fingerprint(site: EncryptedSite) -> str:
    """Which certificate the servers are to show."""
    return read_certificate(site.user.wait_secret("plant-server-tls")["tls.crt"]).fingerprint


async def served(site: EncryptedSite) -> str:
    """Which certificate the first server shows to clients."""
    return (await shake_hands(site.server.ports.client.number, client_context(site.bundle()))).fingerprint


def lives(site: EncryptedSite) -> list[tuple[str, int]]:
    """When each server started, and how many routes it has ever made."""
    varz = [server.monitor("/varz") for server in site.servers]
    return [(one["start"], one["routes"]) for one in varz]


@pytest.mark.timeout(300)
async def test_certificates_are_renewed_again_and_again_on_servers_that_run_and_no_connection_ends(
    cluster: EncryptedSite,
) -> None:
    cluster.user.apply_device("pump")
    cluster.user.wait_ready("Device", "pump")
    creds, context = cluster.user.creds("pump"), client_context(cluster.bundle())
    before = lives(cluster)
    seen: list[str] = []

    async with AsyncExitStack() as stack:
        lasting = [
            await stack.enter_async_context(connect_as(url, creds, tls=context))
            for server in cluster.servers
            for url in (server.tls_url, server.wss_url)
        ]
        for _ in range(3):
            now = fingerprint(cluster)
            seen.append(now)
            await off_the_loop(wait_until, lambda n=now: fingerprint(cluster) != n, within=90, what="a renewal")
            await off_the_loop(cluster.user.wait_ready, "TLSPolicy", "plant", within=60)
        for client in lasting:
            assert await client.may_publish("device.pump.telemetry")
            assert not client.closed.is_set()

    assert len(set(seen)) == 3
    assert lives(cluster) == before
    assert (await shake_hands(cluster.server.ports.client.number, context)).accepted


@pytest.mark.parametrize(
    ("private_key", "key_type"),
    [
        ({"algorithm": "RSA", "size": 3072}, KeyType("RSA", 3072)),
        ({"algorithm": "Ed25519"}, KeyType("Ed25519", 0)),
        ({"algorithm": "ECDSA", "size": 384}, KeyType("ECDSA", 384)),
    ],
    ids=["RSA", "Ed25519", "P-384"],
)
async def test_another_kind_of_key_is_served_without_a_restart(
    site: EncryptedSite, private_key: dict[str, Any], key_type: KeyType
) -> None:
    site.encrypt(**CLIENTS_ONLY)
    before, bundle = lives(site), site.bundle()

    site.encrypt(**CLIENTS_ONLY, certificates={"privateKey": private_key})

    key = PrivateKey.from_pem(site.user.wait_secret("plant-server-tls")["tls.key"])
    assert key.key_type == key_type
    assert await served(site) == fingerprint(site)
    assert lives(site) == before
    assert site.bundle() == bundle


async def test_a_name_that_is_added_is_served_without_a_restart(site: EncryptedSite, tmp_path: Path) -> None:
    site.encrypt(**CLIENTS_ONLY)
    (tmp_path / "ca.crt").write_bytes(site.bundle())
    port, asked = site.server.ports.client.number, ("-verify_hostname", "nats.example.org")

    before = await judged_by_openssl(port, *asked, bundle=tmp_path / "ca.crt", info_first=True)
    named = {**CLIENTS_ONLY["listeners"], "client": {"dnsNames": ["nats.example.org"]}}
    site.encrypt(listeners=named)
    after = await judged_by_openssl(port, *asked, bundle=tmp_path / "ca.crt", info_first=True)

    assert "mismatch" in before.error
    assert after.error == ""


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("harm", ["edited", "emptied", "deleted"])
async def test_what_somebody_does_to_a_secret_is_put_right_with_the_same_ca(
    site: EncryptedSite, secret: str, harm: str
) -> None:
    site.encrypt(**CLIENTS_ONLY)
    bundle, before = site.bundle(), site.user.wait_secret(secret)
    uid = (site.user.get("Secret", secret) or {})["metadata"]["uid"]
    context = client_context(bundle)

    match harm:
        case "edited":
            nonsense = {name: b64encode(os.urandom(16)).decode() for name in before}
            site.user.patch("Secret", secret, {"data": nonsense})
        case "emptied":
            site.user.patch("Secret", secret, {"data": dict.fromkeys(before, "")})
        case _:
            site.user.delete("Secret", secret)
            site.user.wait_for("Secret", secret, lambda one: one["metadata"]["uid"] != uid)

    wait_until(lambda: (site.user.secret(secret) or {}).items() >= before.items(), what=f"{secret} as it was")
    assert separate(site.bundle()) == separate(bundle)
    pair = site.user.wait_secret("plant-server-tls")
    assert matches(pair["tls.crt"], pair["tls.key"])
    site.user.wait_ready("TLSPolicy", "plant", within=60)
    assert (await shake_hands(site.server.ports.client.number, context)).accepted


@pytest.mark.parametrize("secret", ["plant-ca", "plant-server-tls", "plant-operator-tls"])
def test_a_secret_of_somebody_else_is_not_touched_and_told_of_until_it_goes(site: EncryptedSite, secret: str) -> None:
    site.user.create("Secret", secret, data={"mine": ""})

    site.user.apply_tls_policy("plant", mode="Mutual", **CLIENTS_ONLY)

    told = site.user.wait_reason("TLSPolicy", "plant", "SecretConflict")
    assert secret in condition_of(told, "Ready")["message"]
    assert site.user.wait_secret(secret) == {"mine": b""}
    assert not any(name.endswith(".key") for name in site.user.wait_secret("plant-nats-config"))
    site.user.delete("Secret", secret)
    site.user.wait_ready("TLSPolicy", "plant", within=60)


async def test_a_secret_that_somebody_puts_in_the_place_of_ours_stops_nothing_that_works(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY)
    context = client_context(site.bundle())
    site.user.patch("Secret", "plant-server-tls", {"metadata": {"ownerReferences": None, "labels": None}})

    site.user.apply_device("pump")
    site.user.wait_ready("Device", "pump")

    async with connect_as(site.server.tls_url, site.user.creds("pump"), tls=context) as pump:
        assert await pump.may_publish("device.pump.telemetry")


def test_a_certificate_never_begins_in_the_future_or_outlives_its_ca(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY)

    leaf = read_certificate(site.user.wait_secret("plant-server-tls")["tls.crt"])
    (root,) = separate(site.bundle())

    assert leaf.issued_at < time.time()
    assert leaf.expires_at <= read_certificate(root).expires_at
