"""A CA that ended before anybody renewed it, and the way back."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificates
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop
from fleet.own_ca import SECRET, OwnCa, own_root
from x509.pki import DAY, root

from testbed.clients import is_accepted
from testbed.handshakes import shake_hands
from testbed.operator import Operator
from testbed.user import User
from testbed.waiting import wait_until, wait_until_async

MUTUAL = {"mode": "Mutual", "caRotation": {"distributeFor": "10s"}}


def root_that_ends(seconds: int) -> OwnCa:
    ours = root(name="our root", now=int(time.time()) - DAY, expires_at=int(time.time()) + seconds)
    return OwnCa(ours.certificate, ours.key.to_pem(), ours.root)


@pytest.fixture
def ending(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """A site whose CA, one of the user's, ends within the minute."""
    root_that_ends(45).put(user)
    with encrypted_site(user, tmp_path, **MUTUAL, issuer={"ca": {"secretName": SECRET}}) as site:
        user.apply_device("pump")
        user.wait_ready("Device", "pump")
        yield site


async def shakes_hands(site: EncryptedSite, directory: Path) -> bool:
    """Whether a server and the Device are content with each other's certificates, as they are now."""
    pair = site.user.wait_secret("pump-device-tls")
    context = client_context(pair["ca.crt"], pair, directory=directory)
    return (await shake_hands(site.server.ports.client.number, context)).accepted


async def wait_ended(site: EncryptedSite, directory: Path) -> None:
    """Wait until nobody is let in any more."""

    async def over() -> bool:
        return not await shakes_hands(site, directory)

    await wait_until_async(over, within=120)


async def everybody_is_back(site: EncryptedSite, directory: Path) -> None:
    """Wait until the policy and the Device are Ready, and see the Device connect."""
    await off_the_loop(site.user.wait_ready, "TLSPolicy", "plant", within=120)
    await off_the_loop(site.user.wait_ready, "Device", "pump", within=60)
    pair = site.user.wait_secret("pump-device-tls")
    context = client_context(pair["ca.crt"], pair, directory=directory / "new")
    assert await is_accepted(site.server.url, site.user.creds("pump"), tls=context)


async def restart_the_server(site: EncryptedSite, before: bytes) -> None:
    """Restart it once it has been brought another certificate than the one before."""

    def brought() -> bool:
        issued = site.user.wait_secret("plant-server-tls")["tls.crt"]
        return issued != before and issued in site.kubelet.brought(site.server).values()

    await off_the_loop(wait_until, brought, within=60, what="another certificate")
    site.kubelet.pause(site.server)  # while a server starts it finds one version of its files, and not half of two
    site.server.stop()
    site.server.start()
    site.kubelet.resume(site.server)


@pytest.mark.timeout(400)
async def test_another_ca_of_the_users_brings_everybody_back(ending: EncryptedSite, tmp_path: Path) -> None:
    await wait_ended(ending, tmp_path)
    await off_the_loop(ending.user.wait_reason, "TLSPolicy", "plant", "IssuerUnusable", within=60)

    own_root().put(ending.user)

    await everybody_is_back(ending, tmp_path)


@pytest.mark.timeout(400)
async def test_an_operator_that_was_restarted_since_needs_a_restart_of_the_servers(
    ending: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    """It asks no server for a reload that it cannot verify."""
    await wait_ended(ending, tmp_path)
    operator.stop()
    operator.start()
    before = ending.user.wait_secret("plant-server-tls")["tls.crt"]

    own_root().put(ending.user)
    await off_the_loop(ending.user.wait_reason, "TLSPolicy", "plant", "NatsUnavailable", within=60)
    await restart_the_server(ending, before)

    await everybody_is_back(ending, tmp_path)


@pytest.mark.timeout(400)
async def test_a_ca_of_the_operators_that_ended_while_it_was_away_is_replaced(
    operator: Operator, user: User, tmp_path: Path
) -> None:
    """Nobody has to write another one, as with one of the user's."""
    brief = {"issuer": {"selfSigned": {"duration": "60s"}}, "certificates": {"duration": "30s"}}
    with encrypted_site(user, tmp_path, **MUTUAL, **brief) as site:
        user.apply_device("pump")
        user.wait_ready("Device", "pump")
        operator.stop()
        ended = site.bundle()
        before = user.wait_secret("plant-server-tls")["tls.crt"]
        await off_the_loop(wait_until, lambda: time.time() > end_of(ended), within=120, what="the CA's end")

        user.apply_tls_policy("plant", **MUTUAL)
        operator.start()
        await restart_the_server(site, before)

        await everybody_is_back(site, tmp_path)
        assert ended not in site.bundle()


def end_of(bundle: bytes) -> float:
    """When the last CA of a bundle ends, in unix seconds."""
    return max(one.not_valid_after_utc.timestamp() for one in load_pem_x509_certificates(bundle))
