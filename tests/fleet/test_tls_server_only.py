"""A Hub that is encrypted: servers show certificates of its CA, and the operator keeps them so."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet.encrypted import EncryptedSite, client_context, encrypted_site

from testbed.clients import connect_as, is_accepted
from testbed.handshakes import shake_hands
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

CLIENTS_ONLY = {"listeners": {"websocket": {"mode": "Off"}, "cluster": {"mode": "Off"}}}


@pytest.fixture
def site(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """A Hub whose one server is not encrypted yet."""
    with encrypted_site(user, tmp_path) as site:
        yield site


async def test_a_server_that_runs_is_encrypted_by_one_policy(site: EncryptedSite) -> None:
    site.user.apply_device("pump")
    site.user.wait_ready("Device", "pump")

    site.encrypt(**CLIENTS_ONLY)

    context = client_context(site.bundle())
    async with connect_as(site.server.url, site.user.creds("pump"), tls=context) as pump:
        assert await pump.may_publish("device.pump.temperature")


async def test_whoever_trusts_another_ca_does_not_connect(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY)

    assert (await shake_hands(site.server.ports.client.number, client_context(site.bundle()))).accepted
    seen = await shake_hands(site.server.ports.client.number, ssl.create_default_context())

    assert "CERTIFICATE_VERIFY_FAILED" in seen.error


async def test_the_creds_secret_brings_what_verifies_the_servers(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY)

    site.user.apply_device("pump")
    site.user.wait_ready("Device", "pump")

    secret = site.user.wait_secret("pump-device-creds")
    assert await is_accepted(site.server.url, secret["nats.creds"].decode(), tls=client_context(secret["ca.crt"]))


async def test_a_listener_that_needs_a_restart_is_told_of(site: EncryptedSite) -> None:
    site.user.apply_tls_policy("plant")

    policy = site.user.wait_reason("TLSPolicy", "plant", "RestartNeeded")
    assert "websocket" in condition_of(policy, "Ready")["message"]

    site.server.stop()
    site.server.start()

    site.user.wait_ready("TLSPolicy", "plant")


async def test_a_certificate_that_is_asked_for_is_served_without_a_restart(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY)
    before = site.user.wait_secret("plant-server-tls")["tls.crt"]

    site.user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate": "now"})

    wait_until(lambda: site.user.wait_secret("plant-server-tls")["tls.crt"] != before, what="another certificate")
    policy = site.user.wait_for("TLSPolicy", "plant", lambda p: "now" in p["status"].get("rotated", ()))
    serial = next(one["serial"] for one in policy["status"]["certificates"] if one["name"] == "server")
    assert serial
    site.user.wait_ready("TLSPolicy", "plant")


async def test_a_server_whose_file_comes_late_is_waited_for(site: EncryptedSite) -> None:
    site.kubelet.pause(site.server)
    site.user.apply_tls_policy("plant", **CLIENTS_ONLY)
    site.user.wait_reason("TLSPolicy", "plant", "ReloadPending")

    site.kubelet.resume(site.server)

    site.user.wait_ready("TLSPolicy", "plant", within=60)


async def test_tls_goes_with_its_policy_and_comes_back_with_the_same_ca(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY)
    bundle = site.bundle()
    site.user.apply_device("pump")
    site.user.wait_ready("Device", "pump")
    site.user.delete("TLSPolicy", "plant")

    wait_until(lambda: not any(n.endswith(".key") for n in site.user.wait_secret("plant-nats-config")), what="no TLS")
    site.encrypt(**CLIENTS_ONLY)

    assert site.bundle() == bundle


async def test_of_two_policies_the_older_counts(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY)

    site.user.apply_tls_policy("another", mode="Mutual")

    site.user.wait_reason("TLSPolicy", "another", "AnotherPolicy", condition="Stalled")
    site.user.wait_ready("TLSPolicy", "plant")
