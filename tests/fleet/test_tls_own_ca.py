"""A CA that the user keeps: used as it is, replaced when it is replaced, and never a reason for what works to stop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet.conftest import new_namespace
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop
from fleet.mutual_fleet import shaking_hands_all_the_time
from fleet.own_ca import SECRET, UNUSABLE, OwnCa, intermediate, own_root
from x509.judges import openssl

from iotsec.x509.bundle import bundle, separate
from testbed.clients import is_accepted
from testbed.control_plane import ControlPlane
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

OURS = {"issuer": {"ca": {"secretName": SECRET}}}
COMMON: dict[str, Any] = {
    "mode": "Mutual",
    "listeners": {"cluster": {"mode": "Off"}},
    "caRotation": {"distributeFor": "10s"},
}
DEVICES = ["pump", "fan", "valve"]
LISTENERS = ("client", "mqtt", "websocket")
READ_AGAIN = 20
"""Seconds until the Secret was surely read again."""


@pytest.fixture(scope="module")
def ours() -> OwnCa:
    return own_root()


@pytest.fixture(scope="module")
def shared(
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    plane: ControlPlane,
    ours: OwnCa,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[EncryptedSite]:
    """A Hub with a CA of the user's, which every test leaves as it found it."""
    with new_namespace(plane) as user:
        ours.put(user)
        with encrypted_site(user, tmp_path_factory.mktemp("ours"), **COMMON, **OURS) as site:
            user.wait_ready("TLSPolicy", "plant", within=60)
            user.apply_device("pump")
            user.wait_ready("Device", "pump")
            yield site


@pytest.fixture
def site(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - as above
    """A Hub with a CA of the operator's, and a fleet."""
    with encrypted_site(user, tmp_path, **COMMON) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        for name in DEVICES:
            user.apply_device(name)
        for name in DEVICES:
            user.wait_ready("Device", name)
        yield site


async def may_connect(site: EncryptedSite, name: str, directory: Path, *, certificate_of: str = "") -> bool:
    pair = site.user.wait_secret(f"{certificate_of or name}-device-tls")
    context = client_context(pair["ca.crt"], pair, directory=directory / name)
    return await is_accepted(site.server.url, site.user.creds(name), tls=context)


async def test_a_root_of_the_users_is_the_one_that_clients_and_servers_trust(
    shared: EncryptedSite, ours: OwnCa, tmp_path: Path
) -> None:
    assert shared.bundle() == ours.root
    assert await may_connect(shared, "pump", tmp_path)
    assert all(ours.key not in (shared.user.secret(name) or {}).values() for name in ("plant-ca", "plant-nats-config"))


async def test_below_an_intermediate_the_root_alone_is_trusted_and_all_others_are_sent(
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    user: User,
    tmp_path: Path,
) -> None:
    ca = intermediate()
    ca.put(user)
    with encrypted_site(user, tmp_path, **COMMON, **OURS) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        user.apply_device("pump")
        user.wait_ready("Device", "pump")
        pair = user.wait_secret("pump-device-tls")
        trusted = tmp_path / "root.crt"
        trusted.write_bytes(ca.root)

        address = f"127.0.0.1:{site.server.ports.websocket}"
        seen = openssl("s_client", "-connect", address, "-verify_return_error", "-CAfile", trusted, "-showcerts")

        assert b"Verify return code: 0 (ok)" in seen.stdout
        assert seen.stdout.count(b"BEGIN CERTIFICATE") == len(separate(pair["tls.crt"])) == 3
        assert pair["ca.crt"] == site.bundle() == ca.root
        assert await may_connect(site, "pump", tmp_path)


@pytest.mark.parametrize("fault", UNUSABLE)
async def test_what_is_wrong_with_the_ca_is_told_and_what_works_goes_on(
    shared: EncryptedSite, ours: OwnCa, tmp_path: Path, fault: str
) -> None:
    user, name = shared.user, f"new-{list(UNUSABLE).index(fault)}"
    make, message = UNUSABLE[fault]
    config, certificate = user.wait_secret("plant-nats-config"), user.wait_secret("plant-server-tls")

    make(tmp_path).put(user)

    try:
        told = user.wait_reason("TLSPolicy", "plant", "IssuerUnusable")
        assert condition_of(told, "Stalled")["status"] == "True"
        assert message in condition_of(told, "Ready")["message"]
        assert await may_connect(shared, "pump", tmp_path)
        user.apply_device(name)
        assert user.creds(name), "JWTs are another matter"
        assert await may_connect(shared, name, tmp_path, certificate_of="pump")
        assert user.wait_secret("plant-nats-config") == config
        assert user.wait_secret("plant-server-tls") == certificate
    finally:
        ours.put(user)
    user.wait_ready("TLSPolicy", "plant")
    user.wait_ready("Device", name)
    assert await may_connect(shared, name, tmp_path)


async def test_a_ca_that_is_lost_while_the_operator_does_not_run_is_told_of_and_what_works_goes_on(
    shared: EncryptedSite, ours: OwnCa, operator: Operator, tmp_path: Path
) -> None:
    user = shared.user
    names = ("plant-nats-config", "plant-server-tls", "plant-ca", "pump-device-tls", "pump-device-creds")
    before = {name: user.wait_secret(name) for name in names}
    operator.stop()
    user.delete("Secret", SECRET)

    operator.start()

    try:
        told = user.wait_reason("TLSPolicy", "plant", "IssuerUnusable")
        assert f"Secret {SECRET} with the CA does not exist: create it" in condition_of(told, "Ready")["message"]
        user.apply_device("late")
        assert user.creds("late")
        assert user.secret("late-device-tls") is None
        assert await may_connect(shared, "late", tmp_path, certificate_of="pump")
        assert {name: user.wait_secret(name) for name in names} == before
    finally:
        ours.put(user)
    user.wait_ready("TLSPolicy", "plant", within=READ_AGAIN)  # nobody said a word: it is read every so often
    user.wait_ready("Device", "late")
    assert await may_connect(shared, "late", tmp_path)


async def test_a_hub_whose_ca_is_not_there_yet_goes_on_as_it_was_and_is_encrypted_when_it_comes(
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    user: User,
    tmp_path: Path,
) -> None:
    only_servers = {"listeners": {name: {"mode": "Off"} for name in ("websocket", "cluster")}, **OURS}
    with encrypted_site(user, tmp_path) as site:
        user.apply_tls_policy("plant", **only_servers)
        user.wait_reason("TLSPolicy", "plant", "IssuerUnusable")
        user.apply_device("pump")
        user.wait_ready("Device", "pump")
        assert await is_accepted(site.server.url, user.creds("pump"))

        ca = own_root()
        ca.put(user)

        user.wait_ready("TLSPolicy", "plant", within=READ_AGAIN)
        assert await is_accepted(site.server.url, user.creds("pump"), tls=client_context(ca.root))


@pytest.mark.timeout(400)
async def test_issuers_change_while_the_fleet_connects_on_and_nobody_is_refused(
    site: EncryptedSite, tmp_path: Path
) -> None:
    user, first, second = site.user, own_root(), intermediate()
    made_by_us = site.bundle()

    async with shaking_hands_all_the_time(site, DEVICES, tmp_path / "devices", listeners=LISTENERS) as fleet:
        await fleet.two_more_rounds(len(DEVICES))

        first.put(user)
        user.apply_tls_policy("plant", **COMMON, **OURS)
        await trusted_meanwhile(site, bundle(first.root, made_by_us))
        await trusted_alone(site, first.root)
        second.put(user)  # another in the same Secret
        await trusted_meanwhile(site, bundle(second.root, first.root))
        await trusted_alone(site, second.root)
        user.apply_tls_policy("plant", **COMMON, issuer={"selfSigned": {}})
        await off_the_loop(wait_until, lambda: second.root not in site.bundle(), within=120, what="a CA of ours again")
        await off_the_loop(user.wait_ready, "TLSPolicy", "plant", within=60)

        await fleet.two_more_rounds(len(DEVICES))

    assert fleet.refused == []
    assert min(fleet.made[name] for name in LISTENERS) > len(DEVICES)
    assert site.bundle() != made_by_us
    for name in DEVICES:
        wait_follows(site, f"{name}-device-tls")


def wait_follows(site: EncryptedSite, pair: str) -> None:
    """Wait until a Device trusts as the policy does: it hears of that after it, and what is too much harms nobody."""
    wait_until(lambda: site.user.wait_secret(pair)["ca.crt"] == site.bundle(), within=60, what=f"{pair} follows")


async def trusted_meanwhile(site: EncryptedSite, roots: bytes) -> None:
    """Wait until all of these are trusted."""
    wanted = set(separate(roots))
    await off_the_loop(wait_until, lambda: set(separate(site.bundle())) == wanted, within=60, what="both are trusted")


async def trusted_alone(site: EncryptedSite, root: bytes) -> None:
    """Wait until this root alone is trusted, by everybody."""
    await off_the_loop(wait_until, lambda: site.bundle() == root, within=120, what="the former is gone")
    await off_the_loop(site.user.wait_ready, "TLSPolicy", "plant", within=60)
