"""A Hub's Secrets in the hands of others: deleted, edited, lost, restored, taken."""

from base64 import b64decode, b64encode
from typing import Any

import pytest
from fleet.conftest import Site
from fleet.key_holder import KeyHolder, issued_at, revocations, stored_jwt

from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")

SECRETS = {
    "plant-nats-config": "server.conf",
    "plant-identity-keys": "operator",
    "plant-signing-keys": "account.iot.role.device",
    "plant-ledger-iot": "ledger.json",
}
KEYS = ("plant-identity-keys", "plant-signing-keys")


def lose(user: User, name: str) -> dict[str, Any]:
    """Delete a Secret whatever holds it; return it as a backup would have it."""
    secret = user.get("Secret", name)
    assert secret is not None
    user.patch("Secret", name, {"metadata": {"finalizers": None}})
    user.delete("Secret", name)
    user.wait_gone("Secret", name)
    kept = {key: secret["metadata"][key] for key in ("labels", "annotations", "ownerReferences", "finalizers")}
    return {"metadata": {"name": name, **kept}, "data": secret["data"], "type": secret["type"]}


def wait_restored(user: User, name: str, data: dict[str, bytes]) -> None:
    """Wait until a Secret holds what it held, and is ours again."""

    def restored() -> bool:
        secret = user.get("Secret", name)
        return (
            secret is not None
            and "deletionTimestamp" not in secret["metadata"]
            and "iotsec.dev/component" in secret["metadata"].get("labels", {})
            and "iotsec.dev/revoke" in secret["metadata"].get("finalizers", ())
            and user.secret(name) == data
        )

    wait_until(restored, within=10, what=f"{name} is as it was")


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("harm", ["deleted", "edited", "unlabelled"])
async def test_a_harmed_secret_is_as_it_was_in_no_time_and_no_device_notices(site: Site, name: str, harm: str) -> None:
    site.user.issue_device("weather-02")
    site.user.delete("Device", "weather-02")  # so that there is a ledger worth its name
    site.user.wait_gone("Device", "weather-02")
    creds = site.user.issue_device("weather-01")
    before = site.user.wait_secret(name)

    async with connect_as(site.url, creds) as device:
        match harm:
            case "deleted":
                site.user.delete("Secret", name)
            case "edited":
                site.user.patch("Secret", name, {"data": {SECRETS[name]: b64encode(b"mischief").decode()}})
            case "unlabelled":
                site.user.patch("Secret", name, {"metadata": {"labels": None, "finalizers": None}})
        wait_restored(site.user, name, before)

        site.user.wait_ready("Hub", "plant")
        assert await device.may_publish("device.weather-01.telemetry")
        await wait_accepted(site.url, creds)
        site.user.delete("Device", "weather-01")
        await device.wait_closed()


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("backup", ["whole", "data alone"])
async def test_keys_lost_while_the_operator_was_away_are_never_made_anew_but_taken_from_a_backup(
    operator: Operator, site: Site, name: str, backup: str
) -> None:
    creds = site.user.issue_device("weather-01")
    others = {other: site.user.wait_secret(other) for other in SECRETS if other != name}
    operator.stop()
    lost = lose(site.user, name)
    operator.start()

    async with connect_as(site.url, creds) as device:
        stalled = site.user.wait_reason("Hub", "plant", "TrustLost")
        assert condition_of(stalled, "Stalled")["status"] == "True"
        assert name in condition_of(stalled, "Ready")["message"]
        site.user.apply_device("weather-02")
        site.user.wait_reason("Device", "weather-02", "HubNotReady")
        assert site.user.secret(name) is None
        assert site.user.secret("weather-02-device-creds") is None
        assert {other: site.user.wait_secret(other) for other in others} == others

        metadata = {"metadata": {"name": name}} if backup == "data alone" else {}
        site.user.create("Secret", name, **{**lost, **metadata})

        site.user.wait_ready("Hub", "plant", within=15)
        site.user.wait_ready("Device", "weather-02")
        wait_restored(site.user, name, {key: b64decode(value) for key, value in lost["data"].items()})
        assert await device.may_publish("device.weather-01.telemetry")
        site.user.delete("Device", "weather-01")
        await device.wait_closed()


def test_the_keys_of_another_hub_are_no_backup(operator: Operator, site: Site) -> None:
    site.user.apply_hub("other", [site.url])
    strangers = site.user.wait_secret("other-identity-keys")
    operator.stop()
    lost = lose(site.user, "plant-identity-keys")
    wrong = {key: b64encode(value).decode() for key, value in strangers.items()}
    site.user.create("Secret", "plant-identity-keys", **{**lost, "data": wrong})
    operator.start()

    stalled = site.user.wait_reason("Hub", "plant", "TrustLost")

    assert "another key" in condition_of(stalled, "Ready")["message"]
    assert site.user.secret("plant-identity-keys") == strangers


@pytest.mark.parametrize("key", ["operator", "account.iot"])
def test_one_seed_lost_while_the_operator_was_away_is_not_made_anew(operator: Operator, site: Site, key: str) -> None:
    operator.stop()
    whole = site.user.wait_secret("plant-identity-keys")
    site.user.patch("Secret", "plant-identity-keys", {"data": {key: None}})
    operator.start()

    stalled = site.user.wait_reason("Hub", "plant", "TrustLost")
    assert repr(key) in condition_of(stalled, "Ready")["message"]

    site.user.patch("Secret", "plant-identity-keys", {"data": {key: b64encode(whole[key]).decode()}})
    site.user.wait_ready("Hub", "plant", within=15)


def test_a_hub_that_lost_its_keys_goes_by_force_alone(operator: Operator, site: Site) -> None:
    operator.stop()
    lose(site.user, "plant-identity-keys")
    operator.start()
    site.user.wait_reason("Hub", "plant", "TrustLost")

    site.user.delete("Hub", "plant")
    site.user.wait_for("Hub", "plant", lambda hub: "force-delete=true" in condition_of(hub, "Ready")["message"])
    site.user.patch("Hub", "plant", {"metadata": {"annotations": {"iotsec.dev/force-delete": "true"}}})

    site.user.wait_gone("Hub", "plant", within=10)


@pytest.mark.parametrize("harm", ["lost", "damaged"])
async def test_a_ledger_harmed_while_the_operator_was_away_revives_nobody(
    operator: Operator, site: Site, harm: str
) -> None:
    revoked, creds = site.user.issue_device("weather-01"), site.user.issue_device("weather-02")
    site.user.delete("Device", "weather-01")
    site.user.wait_gone("Device", "weather-01")
    account = KeyHolder(site.user).account
    before = stored_jwt(site.server, account)
    operator.stop()
    if harm == "lost":
        lose(site.user, "plant-ledger-iot")
    else:
        damaged = b64encode(b"{}").decode()
        site.user.patch("Secret", "plant-ledger-iot", {"data": {"ledger.json": damaged}})
    operator.start()

    wait_until(lambda: stored_jwt(site.server, account) not in ("", before), what="the account is issued again")

    after = stored_jwt(site.server, account)
    assert revocations(after) == revocations(before)
    assert issued_at(after) > issued_at(before)
    assert await is_refused(site.url, revoked)
    await wait_accepted(site.url, creds)


async def test_a_revocation_asked_for_while_nats_is_away_outlives_a_restart(operator: Operator, site: Site) -> None:
    creds = site.user.issue_device("weather-01")
    site.server.stop()
    site.user.delete("Device", "weather-01")
    site.user.wait_reason("Device", "weather-01", "NatsUnavailable")
    wait_until(lambda: b"U" in site.user.wait_secret("plant-ledger-iot")["ledger.json"], what="it is written down")
    operator.kill()
    operator.start()

    site.server.start()

    site.user.wait_gone("Device", "weather-01")
    assert await is_refused(site.url, creds)


@pytest.mark.parametrize("name", [*KEYS, "plant-nats-config"])
def test_a_secret_of_somebody_else_is_not_touched_and_stands_in_the_way(
    user: User, server: NatsServer, name: str
) -> None:
    foreign = user.create("Secret", name, data={"operator": b64encode(b"somebody's").decode()})

    user.apply_hub("plant", [server.url])
    stalled = user.wait_reason("Hub", "plant", "SecretConflict")
    assert name in condition_of(stalled, "Ready")["message"]
    assert user.get("Secret", name) == foreign

    user.delete("Secret", name)
    user.wait_reason("Hub", "plant", "NatsUnavailable")
    assert user.secret(name) != {"operator": b"somebody's"}


async def test_a_taken_configuration_keeps_nobody_connected(operator: Operator, site: Site) -> None:
    creds = site.user.issue_device("weather-01")
    operator.stop()
    lose(site.user, "plant-nats-config")
    foreign = site.user.create("Secret", "plant-nats-config", data={"server.conf": b64encode(b"theirs").decode()})
    operator.start()

    async with connect_as(site.url, creds) as device:
        site.user.wait_reason("Hub", "plant", "SecretConflict")
        site.user.delete("Device", "weather-01")
        await device.wait_closed()

    site.user.wait_gone("Device", "weather-01")
    assert site.user.get("Secret", "plant-nats-config") == foreign


def test_a_hub_that_stands_in_conflict_goes_and_leaves_what_is_not_its_own(user: User, server: NatsServer) -> None:
    foreign = user.create("Secret", "plant-nats-config", data={"operator": b64encode(b"somebody's").decode()})
    user.apply_hub("plant", [server.url])
    user.wait_reason("Hub", "plant", "SecretConflict")

    user.delete("Hub", "plant")

    user.wait_gone("Hub", "plant")
    assert user.get("Secret", "plant-nats-config") == foreign
    assert user.get("Secret", "plant-identity-keys") is None
