"""A CA of the user's that ended before anybody renewed it, and the way back."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop
from fleet.own_ca import SECRET, OwnCa, own_root
from x509.pki import DAY, root

from testbed.clients import is_accepted
from testbed.handshakes import shake_hands
from testbed.operator import Operator
from testbed.user import User
from testbed.waiting import wait_until, wait_until_async


def root_that_ends(seconds: int) -> OwnCa:
    ours = root(name="our root", now=int(time.time()) - DAY, expires_at=int(time.time()) + seconds)
    return OwnCa(ours.certificate, ours.key.to_pem(), ours.root)


@pytest.fixture
def ending(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """A site whose CA ends within the minute."""
    root_that_ends(45).put(user)
    policy = {"mode": "Mutual", "issuer": {"ca": {"secretName": SECRET}}, "caRotation": {"distributeFor": "10s"}}
    with encrypted_site(user, tmp_path, **policy) as site:
        user.apply_device("pump")
        user.wait_ready("Device", "pump")
        yield site


@pytest.mark.timeout(400)
@pytest.mark.parametrize("restarted", [False, True], ids=["operator stays", "operator restarted"])
async def test_after_a_ca_that_ended_another_one_brings_everybody_back(
    ending: EncryptedSite, operator: Operator, tmp_path: Path, *, restarted: bool
) -> None:
    user, port = ending.user, ending.server.ports.client.number
    pair = user.wait_secret("pump-device-tls")
    old = client_context(pair["ca.crt"], pair, directory=tmp_path / "old")

    async def over() -> bool:
        return not (await shake_hands(port, old)).accepted

    await wait_until_async(over, within=90)
    await off_the_loop(user.wait_reason, "TLSPolicy", "plant", "IssuerUnusable", within=60)
    if restarted:
        await off_the_loop(operator.stop)
        await off_the_loop(operator.start)

    before = user.wait_secret("plant-server-tls")["tls.crt"]
    own_root().put(user)
    if restarted:  # it cannot ask servers for a reload whose certificates have ended
        ending.server.stop()
        ending.server.mount(await off_the_loop(with_another_certificate, user, before))
        await off_the_loop(ending.server.start)
    await off_the_loop(user.wait_ready, "TLSPolicy", "plant", within=120)
    await off_the_loop(user.wait_ready, "Device", "pump", within=60)

    pair = user.wait_secret("pump-device-tls")
    new = client_context(pair["ca.crt"], pair, directory=tmp_path / "new")
    assert await is_accepted(ending.server.url, user.creds("pump"), tls=new)


def with_another_certificate(user: User, before: bytes) -> dict[str, bytes]:
    """Wait until the servers' configuration has another certificate, and return it."""

    def there() -> dict[str, bytes] | None:
        issued, config = user.wait_secret("plant-server-tls")["tls.crt"], user.wait_secret("plant-nats-config")
        return config if issued != before and issued in config.values() else None

    found = wait_until(there, within=60, what="another certificate")
    assert found is not None
    return found
