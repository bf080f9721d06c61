"""A CA is replaced on three servers under mutual TLS, while a fleet connects on and the operator is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop
from fleet.mutual_fleet import shaking_hands_all_the_time

from testbed.handshakes import shake_hands
from testbed.operator import Operator
from testbed.user import Object, User
from testbed.waiting import wait_until

DEVICES = [f"weather-{number:02}" for number in range(1, 51)]
LISTENERS = ("client", "mqtt", "websocket")
MUTUAL = {"mode": "Mutual", "caRotation": {"distributeFor": "10s"}}


@pytest.fixture
def cluster(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """Three servers, encrypted on all their listeners from the start; everybody shows a certificate."""
    with encrypted_site(user, tmp_path, size=3, **MUTUAL) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


@pytest.fixture
def single(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - as above
    """The same with one server."""
    with encrypted_site(user, tmp_path, **MUTUAL) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


def phase_of(policy: Object) -> str:
    """How far the rotation is."""
    return str((policy["status"].get("rotation") or {}).get("phase", ""))


def wait_phase(site: EncryptedSite, *phases: str) -> str:
    """Wait until the rotation is in one of these phases, `` for over."""
    return phase_of(site.user.wait_for("TLSPolicy", "plant", lambda p: phase_of(p) in phases, within=120))


def authorities(site: EncryptedSite) -> dict[str, str]:
    """The CAs that are trusted, and what each is."""
    policy = site.user.get("TLSPolicy", "plant") or {}
    return {one["keyId"]: one["state"] for one in policy["status"]["authorities"]}


@pytest.mark.timeout(400)
async def test_a_ca_is_replaced_without_one_refused_handshake_and_the_operator_killed_at_every_step(
    cluster: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    (before,) = authorities(cluster)
    for name in DEVICES:
        cluster.user.apply_device(name)
    for name in DEVICES:
        cluster.user.wait_ready("Device", name)

    async with shaking_hands_all_the_time(cluster, DEVICES, tmp_path / "devices", listeners=LISTENERS) as fleet:
        await fleet.two_more_rounds(len(DEVICES))
        cluster.user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate-ca": "yearly"})
        for phases in (("Trust",), ("Use",), ("Retire",), ("",)):
            await off_the_loop(wait_phase, cluster, *phases)
            await off_the_loop(operator.kill)
            await off_the_loop(operator.start)
        await off_the_loop(cluster.user.wait_ready, "TLSPolicy", "plant", within=60)
        await fleet.two_more_rounds(len(DEVICES))

    assert fleet.refused == []
    assert min(fleet.made[name] for name in LISTENERS) > len(DEVICES)
    (after,) = authorities(cluster)
    assert after != before
    served = {await _served_by(cluster, number, tmp_path) for number in range(3)}
    assert len(served) == 1


async def _served_by(site: EncryptedSite, number: int, directory: Path) -> str:
    pair = site.user.wait_secret("weather-01-device-tls")
    context = client_context(pair["ca.crt"], pair, directory=directory / "look")
    return (await shake_hands(site.servers[number].ports.client.number, context)).fingerprint


async def test_a_stolen_ca_lets_nobody_in_within_seconds(single: EncryptedSite, tmp_path: Path) -> None:
    single.user.apply_device("pump")
    single.user.wait_ready("Device", "pump")
    stolen = single.user.wait_secret("pump-device-tls")
    port = single.server.ports.client.number
    old = client_context(stolen["ca.crt"], stolen, directory=tmp_path / "old")
    assert (await shake_hands(port, old)).accepted

    single.user.apply_tls_policy("plant", mode="Mutual", caRotation={"retire": "Immediate"})
    single.user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate-ca": "stolen"})
    single.user.wait_for("TLSPolicy", "plant", lambda p: "stolen" in p["status"].get("rotated", ()))
    single.user.wait_ready("TLSPolicy", "plant", within=60)

    old.check_hostname, old.verify_mode = False, old.verify_mode.CERT_NONE  # whatever the server shows by now
    assert not (await shake_hands(port, old)).accepted
    fresh = wait_until(
        lambda: pair if (pair := single.user.wait_secret("pump-device-tls"))["tls.crt"] != stolen["tls.crt"] else None,
        what="another certificate",
    )
    assert fresh is not None
    assert (await shake_hands(port, client_context(fresh["ca.crt"], fresh, directory=tmp_path / "new"))).accepted


async def test_a_lost_ca_is_replaced_while_what_it_issued_still_counts(
    single: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    single.user.apply_device("pump")
    single.user.wait_ready("Device", "pump")
    pair = single.user.wait_secret("pump-device-tls")
    context = client_context(pair["ca.crt"], pair, directory=tmp_path / "old")
    operator.stop()
    single.user.patch("Secret", "plant-ca", {"metadata": {"finalizers": None}})
    single.user.delete("Secret", "plant-ca")
    single.user.wait_gone("Secret", "plant-ca")

    operator.start()

    wait_phase(single, "Trust")
    assert (await shake_hands(single.server.ports.client.number, context)).accepted
    wait_phase(single, "")
    single.user.wait_ready("Device", "pump")
