"""A deployment that somebody set up by hand is encrypted: its own trust root stays what its servers go by."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fleet.encrypted import client_context
from fleet.logins import off_the_loop
from fleet.takeover import take_over

from testbed.clients import connect_as, is_accepted, is_refused
from testbed.existing_trust import ExistingTrust
from testbed.handshakes import shake_hands
from testbed.kubelet import Kubelet
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User
from testbed.waiting import wait_until

CLIENTS_ONLY: dict[str, Any] = {"listeners": {name: {"mode": "Off"} for name in ("websocket", "mqtt", "cluster")}}
TRUST_CONF = "server.conf"


@dataclass(frozen=True)
class OwnTrust:
    """A server whose owner tells it whom to trust, and has it read the Hub's Secret beside that."""

    server: NatsServer
    trust: ExistingTrust

    @property
    def name(self) -> str:
        return self.server.name

    def mount(self, files: Mapping[str, bytes]) -> None:
        """Bring it the Secret, as a kubelet does."""
        own = self.trust.nats_config[TRUST_CONF]
        self.server.mount({**files, TRUST_CONF: own + b"\n" + files.get(TRUST_CONF, b"")})


@pytest.fixture(scope="module")
def trust() -> ExistingTrust:
    return ExistingTrust.create()


@pytest.fixture
async def site(operator: Operator, user: User, trust: ExistingTrust, tmp_path: Path) -> AsyncIterator[OwnTrust]:  # noqa: ARG001 - it makes the Hub work
    """A Hub that took the trust root of a server over."""
    with NatsServer(tmp_path / "nats", interval="2s") as server:
        site = OwnTrust(server, trust)
        site.mount({})
        server.start()
        server.wait_ready()
        await trust.push_account(server.url)
        await off_the_loop(take_over, user, server, trust)
        with Kubelet(user, "plant-nats-config", (site,)):
            yield site


async def encrypt(user: User, **spec: Any) -> bytes:
    """Apply a TLSPolicy and wait until the server is encrypted so; what verifies it."""
    user.apply_tls_policy("plant", **CLIENTS_ONLY, **spec)
    await off_the_loop(user.wait_ready, "TLSPolicy", "plant", within=60)
    return user.wait_secret("plant-ca")["ca.crt"]


async def test_its_secret_says_how_to_encrypt_and_nothing_of_whom_to_trust(user: User, site: OwnTrust) -> None:
    await encrypt(user)

    secret = user.wait_secret("plant-nats-config")

    assert b"tls: {" in secret[TRUST_CONF]
    says = {line.partition(b":")[0].partition(b" ")[0] for line in secret[TRUST_CONF].splitlines()}
    assert says.isdisjoint({b"operator", b"system_account", b"resolver", b"resolver_preload"})
    assert "operator.jwt" not in secret
    assert site.trust.operator_jwt.encode() not in b"".join(secret.values())


async def test_users_from_before_and_new_devices_meet_on_an_encrypted_server(user: User, site: OwnTrust) -> None:
    async with connect_as(site.server.url, site.trust.lasting_user.creds) as from_before:
        context = client_context(await encrypt(user))
        user.apply_device("pump-01")
        await off_the_loop(user.wait_ready, "Device", "pump-01")

        async with connect_as(site.server.tls_url, user.creds("pump-01"), tls=context) as device:
            assert await device.may_publish("device.pump-01.telemetry")
        assert await from_before.may_publish("device.weather-01.telemetry")

    assert await is_accepted(site.server.tls_url, site.trust.expiring_user.creds, tls=context)
    assert await is_refused(site.server.tls_url, site.trust.revoked_user.creds, tls=context)


async def test_a_deleted_device_is_cut_off_over_an_encrypted_connection(user: User, site: OwnTrust) -> None:
    context = client_context(await encrypt(user))
    user.apply_device("pump-02")
    await off_the_loop(user.wait_ready, "Device", "pump-02")
    creds = user.creds("pump-02")

    async with connect_as(site.server.tls_url, creds, tls=context) as device:
        user.delete("Device", "pump-02")
        await device.wait_closed()

    assert await is_refused(site.server.tls_url, creds, tls=context)


async def test_its_owners_users_have_to_show_certificates_where_the_policy_says_so(
    user: User, site: OwnTrust, tmp_path: Path
) -> None:
    bundle = await encrypt(user, mode="Mutual")
    user.apply_device("pump-03")
    await off_the_loop(user.wait_ready, "Device", "pump-03")
    pair = user.wait_secret("pump-03-device-tls")
    context = client_context(bundle, pair, directory=tmp_path / "pump")

    assert await is_accepted(site.server.tls_url, user.creds("pump-03"), tls=context)
    assert not await is_accepted(site.server.tls_url, site.trust.lasting_user.creds, tls=client_context(bundle))


async def test_its_certificate_is_replaced_without_a_restart(user: User, site: OwnTrust) -> None:
    context = client_context(await encrypt(user))
    port, started = site.server.ports.client.number, site.server.monitor("/varz")["start"]
    before = (await shake_hands(port, context)).fingerprint

    user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate": "now"})
    await off_the_loop(user.wait_for, "TLSPolicy", "plant", lambda p: "now" in p["status"].get("rotated", ()))
    await off_the_loop(user.wait_ready, "TLSPolicy", "plant", within=60)

    after = await shake_hands(port, context)
    assert after.accepted
    assert after.fingerprint != before
    assert site.server.monitor("/varz")["start"] == started


async def test_a_policy_that_goes_leaves_the_server_as_its_owner_had_it(user: User, site: OwnTrust) -> None:
    await encrypt(user)

    user.delete("TLSPolicy", "plant")

    await off_the_loop(
        wait_until, lambda: b"tls: {" not in user.wait_secret("plant-nats-config")[TRUST_CONF], what="no TLS"
    )
    await off_the_loop(
        wait_until, lambda: not site.server.monitor("/varz").get("tls_required"), what="the server without TLS"
    )
    assert await is_accepted(site.server.url, site.trust.lasting_user.creds)
    assert await is_refused(site.server.url, site.trust.revoked_user.creds)
