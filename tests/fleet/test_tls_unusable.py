"""What nobody can carry out, or is on its way out, changes nothing of what works; and what was begun is finished."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop

from testbed.clients import connect_as, is_accepted, wait_refused
from testbed.kubelet import Kubelet
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

MUTUAL: dict[str, Any] = {"mode": "Mutual", "listeners": {"cluster": {"mode": "Off"}}}
OF_THE_HUB = ("plant-ca", "plant-server-tls", "plant-operator-tls", "plant-nats-config")
OF_THE_DEVICE = ("pump-device-creds", "pump-device-tls")
LONGER_THAN_THE_CA = {**MUTUAL, "certificates": {"duration": "50000h"}}
URL = "http://127.0.0.1:1"


@pytest.fixture
def site(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """A Hub under mutual TLS, with a Device."""
    with encrypted_site(user, tmp_path, **MUTUAL) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        user.apply_device("pump")
        user.wait_ready("Device", "pump")
        yield site


def versions(user: User, *names: str) -> dict[str, str]:
    """Which version each of these Secrets has: the same as long as nobody writes it."""
    return {
        name: (user.get("Secret", name) or {"metadata": {}})["metadata"].get("resourceVersion", "") for name in names
    }


async def may_connect(site: EncryptedSite, name: str, directory: Path, *, certificate_of: str = "") -> bool:
    pair = site.user.wait_secret(f"{certificate_of or name}-device-tls")
    context = client_context(pair["ca.crt"], pair, directory=directory / name)
    return await is_accepted(site.server.url, site.user.creds(name), tls=context)


async def test_a_policy_that_is_unusable_when_the_operator_starts_takes_nothing_away(
    site: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    user = site.user
    before = versions(user, *OF_THE_HUB, *OF_THE_DEVICE)
    pair, creds = user.wait_secret("pump-device-tls"), user.creds("pump")
    context = client_context(pair["ca.crt"], pair, directory=tmp_path / "connected")

    async with connect_as(site.server.url, creds, tls=context) as pump:
        await off_the_loop(operator.stop)
        user.apply_tls_policy("plant", **LONGER_THAN_THE_CA)
        await off_the_loop(operator.start)
        told = await off_the_loop(user.wait_reason, "TLSPolicy", "plant", "InvalidSpec", condition="Stalled")
        await off_the_loop(user.apply_device, "late")
        await off_the_loop(user.wait_secret, "late-device-creds")

        assert "no certificate outlives its CA" in condition_of(told, "Stalled")["message"]
        assert user.wait_secret("late-device-creds")["ca.crt"] == pair["ca.crt"]
        assert user.secret("late-device-tls") is None
        assert await may_connect(site, "late", tmp_path, certificate_of="pump")
        assert versions(user, *OF_THE_HUB, *OF_THE_DEVICE) == before
        assert await pump.may_publish("device.pump.temperature")

        user.apply_tls_policy("plant", **MUTUAL)
        await off_the_loop(user.wait_ready, "TLSPolicy", "plant")
        await off_the_loop(user.wait_ready, "Device", "late")
        assert await pump.may_publish("device.pump.temperature")
    assert await may_connect(site, "late", tmp_path)
    assert versions(user, *OF_THE_HUB, *OF_THE_DEVICE) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"certificates": {"duration": "50000h"}}, "spec.certificates.duration: no certificate outlives its CA"),
        (
            {"issuer": {"selfSigned": {"duration": "24h"}}, "certificates": {"duration": "24h"}},
            "write one shorter than spec.issuer.selfSigned.duration",
        ),
        ({"caRotation": {"distributeFor": "20000h"}}, "spec.caRotation.distributeFor: the next CA would not be in use"),
        (
            {
                "certificates": {"privateKey": {"algorithm": "RSA"}},
                "listeners": {
                    "client": {"minVersion": "1.2", "cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]}
                },
            },
            "spec.listeners.client: no cipher suite fits the certificate's RSA key",
        ),
        (
            {"listeners": {"client": {"minVersion": "1.2", "curves": ["X25519MLKEM768"]}}},
            "spec.listeners.client: curves X25519MLKEM768 are of TLS 1.3 alone",
        ),
        ({"listeners": {"client": {"ipAddresses": ["1.2.3"]}}}, "'1.2.3' is no IP address"),
        (
            {"revocation": {"url": URL}, "issuer": {"certManager": {"issuerRef": {"name": "x"}}}},
            "spec.revocation: who issues with certManager",
        ),
    ],
    ids=["duration", "as long as the CA", "distribution", "cipher suite", "curve", "address", "revocation"],
)
async def test_what_only_the_operator_can_tell_is_told_and_changes_nothing(
    site: EncryptedSite, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    before = versions(site.user, *OF_THE_HUB, *OF_THE_DEVICE)

    site.user.apply_tls_policy("plant", **{**MUTUAL, **change})

    told = site.user.wait_reason("TLSPolicy", "plant", "InvalidSpec", condition="Stalled")
    assert message in condition_of(told, "Stalled")["message"]
    site.user.apply_device("late")
    site.user.wait_secret("late-device-creds")
    assert await may_connect(site, "late", tmp_path, certificate_of="pump")
    assert versions(site.user, *OF_THE_HUB, *OF_THE_DEVICE) == before


async def test_who_is_deleted_under_an_unusable_policy_is_cut_off_and_written_down(
    site: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    user, pair, creds = site.user, site.user.wait_secret("pump-device-tls"), site.user.creds("pump")
    serial = (user.get("Device", "pump") or {})["status"]["certificate"]["serial"]
    operator.stop()
    user.apply_tls_policy("plant", **LONGER_THAN_THE_CA)
    operator.start()
    user.wait_reason("TLSPolicy", "plant", "InvalidSpec")

    user.delete("Device", "pump")
    user.wait_gone("Device", "pump")

    context = client_context(pair["ca.crt"], pair, directory=tmp_path / "pump")
    await wait_refused(site.server.url, creds, tls=context)
    assert f'"{serial}"' in user.wait_secret("plant-revoked-certificates")["revoked.json"].decode()


async def test_a_hub_that_is_being_deleted_stays_encrypted_to_its_end(
    site: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    user, before = site.user, versions(site.user, *OF_THE_HUB, *OF_THE_DEVICE)
    user.delete("Hub", "plant")
    user.wait_reason("Hub", "plant", "InUse")
    operator.stop()
    user.delete("TLSPolicy", "plant")

    operator.start()

    user.wait_reason("Hub", "plant", "Connected", condition="Connected")
    user.wait_for("Hub", "plant", lambda hub: "1 identities" in condition_of(hub, "Ready")["message"])
    assert await may_connect(site, "pump", tmp_path)
    assert versions(user, *OF_THE_HUB, *OF_THE_DEVICE) == before
    user.delete("Device", "pump")
    user.wait_gone("Hub", "plant")
    for name in OF_THE_HUB:
        user.wait_gone("Secret", name)


@pytest.mark.parametrize("first", ["", "TLSPolicy", "Hub"])
def test_a_namespace_goes_with_all_that_is_in_it(site: EncryptedSite, first: str) -> None:
    if first:
        site.user.delete(first, "plant")

    site.user.api.request("DELETE", f"/api/v1/namespaces/{site.user.namespace}")

    site.user.wait_namespace_gone(within=30)


def test_an_operator_that_is_killed_before_every_write_goes_on_with_the_ca_that_it_began_with(
    operator: Operator, user: User, tmp_path: Path
) -> None:
    """Somebody else's Secret holds it up at each of its own, in turn: there it dies."""
    held_up = ("plant-ca", "plant-server-tls", "plant-routes-tls", "plant-operator-tls")
    for name in held_up:
        user.create("Secret", name, data={"mine": ""})
    with NatsServer(tmp_path / "nats", interval="2s") as server:
        user.apply_hub("plant", [server.url])
        user.apply_tls_policy("plant", mode="Mutual")
        authorities = []
        for name in held_up:
            wait_until(lambda name=name: f"Secret {name}" in trouble(user), what=f"it is held up at {name}")  # type: ignore[misc]
            assert user.secret(name) == {"mine": b""}
            operator.kill()
            user.delete("Secret", name)
            operator.start()
            authorities.append(user.wait_secret("plant-ca")["ca.crt"])
        user.wait_for("Secret", "plant-nats-config", lambda s: any(n.endswith(".key") for n in s["data"]))
        operator.kill()
        operator.start()
        server.mount(user.wait_secret("plant-nats-config"))
        server.start()

        with Kubelet(user, "plant-nats-config", [server]):
            user.wait_ready("TLSPolicy", "plant", within=60)

        assert {*authorities, user.wait_secret("plant-ca")["ca.crt"]} == {authorities[0]}


def trouble(user: User) -> str:
    """What the policy says of its trouble."""
    policy = user.get("TLSPolicy", "plant") or {}
    return str(condition_of(policy, "Ready").get("message", ""))
