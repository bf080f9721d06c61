"""The trust bundle in ConfigMaps: what verifies the servers is where workloads look, all through a rotation."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet.conftest import new_namespace
from fleet.encrypted import QUICK, EncryptedSite, encrypted_site

from iotsec.x509.bundle import separate
from testbed.control_plane import ControlPlane
from testbed.handshakes import Handshake, shake_hands
from testbed.operator import Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

CLIENTS_ONLY = {"listeners": {name: {"mode": "Off"} for name in ("websocket", "mqtt", "cluster")}}
NAME = "plant-ca-bundle"


@pytest.fixture
def site(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """One server, not encrypted yet."""
    with encrypted_site(user, tmp_path) as site:
        yield site


def bundle_in(user: User, name: str = NAME, key: str = "ca.crt") -> str:
    """What a ConfigMap holds, empty where there is none."""
    found = user.get("ConfigMap", name) or {}
    return str((found.get("data") or {}).get(key, ""))


def wait_bundle(user: User, name: str = NAME, key: str = "ca.crt", *, roots: int = 1) -> str:
    """Wait for a ConfigMap with so many roots."""
    return wait_until(
        lambda: text if (text := bundle_in(user, name, key)).count("BEGIN CERTIFICATE") == roots else "",
        what=f"ConfigMap {user.namespace}/{name} with so many roots: {roots}",
        within=60,
    )


async def verified_by(text: str, site: EncryptedSite) -> Handshake:
    """Shake hands as a workload does that has nothing but the ConfigMap."""
    return await shake_hands(site.server.ports.client.number, ssl.create_default_context(cadata=text))


def phase_of(policy: Object) -> str:
    return str((policy["status"].get("rotation") or {}).get("phase", ""))


async def test_a_workload_verifies_the_servers_by_the_config_map_beside_the_hub(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY, trustBundle={"configMap": {}})

    text = wait_bundle(site.user)

    assert text.encode() == site.bundle()
    assert (await verified_by(text, site)).accepted


def test_chosen_namespaces_have_it_as_soon_as_they_are_chosen_and_no_longer(
    site: EncryptedSite, plane: ControlPlane
) -> None:
    label = {f"bundle-of/{site.user.namespace}": "yes"}
    where = {"from": "Selector", "selector": {"matchLabels": label}}
    site.encrypt(**CLIENTS_ONLY, trustBundle={"configMap": {"name": "nats-ca", "key": "root.pem", "namespaces": where}})
    with new_namespace(plane) as chosen, new_namespace(plane) as other:
        chosen.label_namespace(label)
        text = wait_bundle(chosen, "nats-ca", "root.pem")

        assert text.encode() == site.bundle()
        assert other.get("ConfigMap", "nats-ca") is None
        chosen.label_namespace(dict.fromkeys(label))
        chosen.wait_gone("ConfigMap", "nats-ca")


@pytest.mark.timeout(200)
async def test_it_carries_both_roots_while_one_ca_takes_the_place_of_another(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY, **QUICK, trustBundle={"configMap": {}})
    (before,) = separate(wait_bundle(site.user).encode())

    site.user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate-ca": "yearly"})
    site.user.wait_for("TLSPolicy", "plant", lambda p: phase_of(p) == "Trust")
    both = wait_bundle(site.user, roots=2)
    first = await verified_by(both, site)
    site.user.wait_for("TLSPolicy", "plant", lambda p: phase_of(p) == "Retire", within=90)
    second = await verified_by(both, site)
    site.user.wait_for("TLSPolicy", "plant", lambda p: phase_of(p) == "", within=90)
    (after,) = separate(wait_bundle(site.user).encode())

    assert set(separate(both.encode())) == {before, after}
    assert after != before
    assert first.accepted
    assert second.accepted
    assert first.fingerprint != second.fingerprint
    assert (await verified_by(after.decode(), site)).accepted
    assert "CERTIFICATE_VERIFY_FAILED" in (await verified_by(before.decode(), site)).error


def test_what_somebody_writes_into_it_is_put_right(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY, trustBundle={"configMap": {}})
    text = wait_bundle(site.user)

    site.user.patch("ConfigMap", NAME, {"data": {"ca.crt": "a root of an attacker"}})
    wait_until(lambda: bundle_in(site.user) == text, what="the bundle again")
    site.user.delete("ConfigMap", NAME)

    assert wait_bundle(site.user) == text


def test_somebody_elses_config_map_is_left_alone_and_told_of(site: EncryptedSite) -> None:
    site.user.create("ConfigMap", NAME, data={"mine": "x"})

    site.user.apply_tls_policy("plant", **CLIENTS_ONLY, trustBundle={"configMap": {}})

    told = site.user.wait_for("TLSPolicy", "plant", lambda p: NAME in str(p["status"].get("conditions")))
    assert any("spec.trustBundle.configMap.name" in one["message"] for one in told["status"]["conditions"])
    assert (site.user.get("ConfigMap", NAME) or {})["data"] == {"mine": "x"}


def test_it_goes_when_nobody_wants_it_any_more(site: EncryptedSite) -> None:
    site.encrypt(**CLIENTS_ONLY, trustBundle={"configMap": {}})
    wait_bundle(site.user)

    site.encrypt(**CLIENTS_ONLY)

    site.user.wait_gone("ConfigMap", NAME)
    assert condition_of(site.user.wait_ready("TLSPolicy", "plant"), "Ready")["status"] == "True"
