"""A Hub from its first apply: the Secret that servers mount, and how it finds servers that come, go and refuse."""

import re
from pathlib import Path

import pytest
from fleet.conftest import Site

from iotsec.decide.seeds import RECORDS
from testbed.nats_server import NatsServer, validate
from testbed.operator import Operator
from testbed.user import User, condition_of

pytestmark = pytest.mark.usefixtures("operator")


def test_the_servers_configuration_is_there_before_any_server_and_nats_server_accepts_it(
    user: User, server: NatsServer
) -> None:
    user.apply_hub("plant", [server.url])

    server.mount(user.wait_secret("plant-nats-config"))

    validate(server.config)
    hub = user.wait_reason("Hub", "plant", "NatsUnavailable")
    assert condition_of(hub, "ConfigWritten")["status"] == "True"
    assert condition_of(hub, "Connected")["status"] == "False"
    assert not condition_of(hub, "Pushed")


def test_seeds_are_kept_apart_and_none_is_in_what_the_servers_mount(user: User, server: NatsServer) -> None:
    user.apply_hub("plant", [server.url])

    mounted = b"".join(user.wait_secret("plant-nats-config").values())
    identity, signing = user.wait_secret("plant-identity-keys"), user.wait_secret("plant-signing-keys")

    seeds = [*identity.values(), *(value for key, value in signing.items() if key != RECORDS)]
    assert len(set(seeds)) == len(seeds)
    assert all(re.fullmatch(rb"S[OA][A-Z2-7]{56}", seed) for seed in seeds)
    assert not any(seed in mounted for seed in seeds)
    assert not re.search(rb"\bS[OAUNCX][A-Z2-7]{56}\b", mounted)


def test_a_hub_says_when_it_works_and_what_its_servers_run(site: Site) -> None:
    hub = site.user.wait_ready("Hub", "plant")

    assert {kind: condition_of(hub, kind)["status"] for kind in ("ConfigWritten", "Connected", "Pushed", "Ready")} == {
        "ConfigWritten": "True",
        "Connected": "True",
        "Pushed": "True",
        "Ready": "True",
    }
    assert hub["status"]["configSecretName"] == "plant-nats-config"
    assert hub["status"]["servers"] == [{"name": "nats-0", "version": "2.15.1", "accountsCurrent": True}]
    assert [(a["name"], a["distributed"]) for a in hub["status"]["accounts"]] == [("iot", "1/1")]


def test_a_restart_of_the_operator_writes_nothing_of_a_hub_again(operator: Operator, site: Site) -> None:
    names = ["plant-nats-config", "plant-identity-keys", "plant-signing-keys", "plant-ledger-iot"]
    before = {name: site.user.wait_for("Secret", name, bool) for name in names}
    hub = site.user.wait_ready("Hub", "plant")

    operator.stop()
    operator.start()

    site.user.apply_device("weather-01")  # what is served after this Hub was
    site.user.wait_ready("Device", "weather-01")
    assert site.user.get("Hub", "plant") == hub
    after = {name: site.user.wait_for("Secret", name, bool) for name in names}
    assert {n: s["data"] for n, s in after.items()} == {n: s["data"] for n, s in before.items()}
    assert {n: s["metadata"]["resourceVersion"] for n, s in after.items()} == {
        n: s["metadata"]["resourceVersion"] for n, s in before.items()
    }


def test_a_hub_tells_that_nats_is_away_and_heals_by_itself(site: Site) -> None:
    site.server.stop()

    away = site.user.wait_reason("Hub", "plant", "NatsUnavailable", within=5)
    assert condition_of(away, "Connected")["reason"] == "NatsUnavailable"
    assert site.url in condition_of(away, "Ready")["message"]

    site.server.start()
    site.user.wait_ready("Hub", "plant", within=5)


def test_servers_that_trust_another_operator_refuse_the_hub_until_its_own_secret_is_mounted(
    user: User, server: NatsServer
) -> None:
    for name in ("plant", "other"):
        user.apply_hub(name, [server.url])
    server.mount(user.wait_secret("other-nats-config"))
    server.start()

    user.wait_ready("Hub", "other")
    refused = user.wait_reason("Hub", "plant", "NatsRefused")
    assert "config Secret" in condition_of(refused, "Connected")["message"]

    server.stop()
    server.mount(user.wait_secret("plant-nats-config"))
    server.start()

    user.wait_ready("Hub", "plant")
    user.wait_reason("Hub", "other", "NatsRefused")


def test_a_hub_follows_its_servers_to_another_address(site: Site, server: NatsServer) -> None:
    moved = NatsServer(server.directory, name="nats-0")  # the same volume
    site.user.apply_hub("plant", [moved.url])
    server.stop()
    moved.mount(site.user.wait_secret("plant-nats-config"))

    with moved:
        moved.start()
        site.user.wait_ready("Hub", "plant")


def test_servers_without_a_full_resolver_are_told_apart(user: User, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", full_resolver=False) as server:
        user.apply_hub("plant", [server.url])
        server.mount(user.wait_secret("plant-nats-config"))
        server.start()

        hub = user.wait_reason("Hub", "plant", "PushRefused")

    assert "type full" in condition_of(hub, "Ready")["message"]
