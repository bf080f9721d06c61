"""Who is connected and who was refused, in the status of whom it is about, and nobody else's by whatever trick."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet.conftest import Site, bring_up, new_namespace

from iotsec.decide.presence import FIELDS
from iotsec.nats import jwt
from iotsec.nats.claims import UserClaims
from iotsec.nats.keys import KeyType, SigningKey
from testbed.clients import connect_as, is_refused
from testbed.control_plane import ControlPlane
from testbed.mqtt_client import connect_mqtt
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User
from testbed.waiting import wait_until

PACE = 60
STORAGE = {"diskStorage": "64Mi", "memoryStorage": "64Mi"}
"""What MQTT needs."""


@pytest.fixture(scope="module")
def present(operator: Operator, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: ARG001 - it makes the Hub work
    """A site whose Hub keeps presence; tests share it, and change nothing but Devices of their own names."""
    with new_namespace(plane) as user, NatsServer(tmp_path_factory.mktemp("present"), interval="2s") as server:
        yield bring_up(user, server, presence="Paced", accounts=[{"name": "iot", "jetStream": STORAGE}])


def presence(device: Object) -> dict[str, object]:
    """What a Device's status says of presence."""
    return {field: device["status"][field] for field in FIELDS if field in device["status"]}


def wait_connected(user: User, name: str, *, within: float = 15) -> Object:
    return user.wait_for("Device", name, lambda d: d["status"].get("connected") is True, within=within)


def wait_left(user: User, name: str, *, within: float = 15) -> Object:
    return user.wait_for("Device", name, lambda d: d["status"].get("connected") is False, within=within)


def wait_denied(user: User, name: str, *, within: float = 15) -> Object:
    return user.wait_for("Device", name, lambda d: "lastDenied" in d["status"], within=within)


def version(user: User, name: str) -> str:
    """The resourceVersion, which moves with every write."""
    device = user.get("Device", name)
    assert device is not None
    return str(device["metadata"]["resourceVersion"])


def status_writes(plane: ControlPlane, user: User, name: str) -> int:
    """How often the status of a Device was written, from the API server's audit log."""
    lines = (json.loads(line) for line in Path(plane.audit_log).read_text().splitlines())
    references = (line["objectRef"] for line in lines if line["verb"] == "patch")
    wanted = (user.namespace, name, "status")
    return sum((ref.get("namespace"), ref.get("name"), ref.get("subresource")) == wanted for ref in references)


def mixed_creds(token: str, key: SigningKey) -> str:
    """A creds file whose seed is not that of its JWT."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{key.seed.reveal().decode()}\n------END USER NKEY SEED------\n"
    )


async def wait_later_device(site: Site, name: str) -> None:
    """Have another Device connect, and be told of: whatever was told to the operator before has been dealt with."""
    site.ready_device(name)
    async with connect_as(site.url, site.user.creds(name)):
        wait_connected(site.user, name)


async def test_a_device_that_connects_is_connected_and_a_reload_is_no_news(present: Site) -> None:
    present.ready_device("weather-01")

    async with connect_as(present.url, present.user.creds("weather-01")):
        status = wait_connected(present.user, "weather-01")["status"]
        before = version(present.user, "weather-01")
        present.server.reload()
        await wait_later_device(present, "after-the-reload")

        assert version(present.user, "weather-01") == before
        assert "lastDenied" not in status
        assert status["lastSeen"] <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


async def test_a_device_that_came_and_went_was_last_seen_then(present: Site) -> None:
    present.ready_device("visitor")

    async with connect_as(present.url, present.user.creds("visitor")) as device:
        await device.client.flush()

    status = wait_left(present.user, "visitor")["status"]
    assert set(presence({"status": status})) == {"connected", "lastSeen"}


async def test_however_often_a_device_reconnects_its_status_is_written_once_a_minute(
    present: Site, plane: ControlPlane
) -> None:
    present.ready_device("restless")
    secret = present.user.creds("restless")
    before = status_writes(plane, present.user, "restless")

    async with connect_as(present.url, secret):
        wait_connected(present.user, "restless")
        began = time.monotonic()
        for _ in range(50):
            async with connect_as(present.url, secret) as device:
                await device.client.flush()

    status = wait_left(present.user, "restless", within=PACE + 15)["status"]
    assert time.monotonic() - began > PACE - 5
    assert status_writes(plane, present.user, "restless") - before == 2
    assert status["lastSeen"] > status["issuedAt"]


async def test_a_suspended_device_that_tries_is_told_of_with_why_and_from_where(present: Site) -> None:
    present.ready_device("suspended")
    secret = present.user.creds("suspended")
    present.user.apply_device("suspended", suspended=True)
    present.user.wait_reason("Device", "suspended", "Suspended")

    assert await is_refused(present.url, secret)

    status = wait_denied(present.user, "suspended")["status"]
    denied = status["lastDenied"]
    assert (denied["reason"], denied["from"]) == ("credential revoked", "127.0.0.1")
    assert denied["time"] >= status["issuedAt"]
    assert status["connected"] is False
    assert status["conditions"], "the rest of the status is as it was"


async def test_a_status_written_for_another_reason_keeps_presence(present: Site) -> None:
    present.ready_device("kept")
    async with connect_as(present.url, present.user.creds("kept")):
        known = presence(wait_connected(present.user, "kept"))

        present.user.apply_device("kept", credsKey="mir.creds")
        device = present.user.wait_for("Device", "kept", lambda d: d["status"]["observedGeneration"] == 2)

        assert presence(device) == known


async def test_a_jwt_of_ones_own_making_marks_nobody(present: Site, operator: Operator) -> None:
    status = present.ready_device("victim")["status"]
    hub = present.user.get("Hub", "plant")
    assert hub is not None
    account = hub["status"]["accounts"][0]["publicKey"]
    forger, key = (SigningKey.generate(kind, os.urandom(32)) for kind in (KeyType.ACCOUNT, KeyType.USER))
    now = int(time.time())
    forged = jwt.encode(
        UserClaims(issuer_account=account),
        forger,
        subject=status["publicKey"],
        name="victim",
        issued_at=now,
        expires_at=now + 60,
    )
    assert await is_refused(present.url, mixed_creds(forged, key))

    def told() -> bool:
        lines = operator.log.read_text().splitlines()
        return any("logins of strangers refused" in line and present.user.namespace in line for line in lines)

    wait_until(told, within=15, what="the operator tells of a stranger")
    await wait_later_device(present, "after-the-stranger")
    victim = present.user.get("Device", "victim")
    assert victim is not None
    assert presence(victim) == {}
    assert forged not in operator.log.read_text()


async def test_old_creds_of_a_deleted_device_mark_not_the_next_one_of_its_name(present: Site) -> None:
    present.ready_device("again")
    old = present.user.creds("again")
    present.user.delete("Device", "again")
    present.user.wait_gone("Device", "again")
    present.ready_device("again")

    assert await is_refused(present.url, old)

    await wait_later_device(present, "after-the-old-one")
    device = present.user.get("Device", "again")
    assert device is not None
    assert presence(device) == {}


async def test_an_mqtt_device_is_told_by_its_password_whatever_user_name_it_takes(present: Site) -> None:
    for name in ("pump", "valve"):
        present.ready_device(name, connectionTypes=["MQTT"])
    password = present.user.wait_secret("pump-device-creds")["password"].decode()

    async with connect_mqtt(present.server.mqtt_url, "valve", password):
        wait_connected(present.user, "pump")
        await wait_later_device(present, "after-the-pump")

        valve = present.user.get("Device", "valve")
        assert valve is not None
        assert presence(valve) == {}


async def test_what_happened_while_the_operator_was_away_is_found_when_it_returns(
    present: Site, operator: Operator
) -> None:
    for name in ("stays", "leaves", "comes"):
        present.ready_device(name)
    async with connect_as(present.url, present.user.creds("stays")):
        async with connect_as(present.url, present.user.creds("leaves")):
            wait_connected(present.user, "stays")
            wait_connected(present.user, "leaves")
            before = version(present.user, "stays")
            operator.stop()
        async with connect_as(present.url, present.user.creds("comes")):
            operator.start()

            wait_connected(present.user, "comes")
            wait_left(present.user, "leaves")
            assert version(present.user, "stays") == before


async def test_presence_leaves_no_trace_when_it_is_switched_off(
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    user: User,
    server: NatsServer,
) -> None:
    site = bring_up(user, server, presence="Paced")
    site.ready_device("weather-01")
    site.ready_device("weather-02")
    async with connect_as(site.url, user.creds("weather-01")):
        wait_connected(user, "weather-01")
        before = version(user, "weather-02")

        user.apply_hub("plant", [site.url])

        user.wait_for("Device", "weather-01", lambda d: not presence(d))
        assert version(user, "weather-02") == before
        user.wait_ready("Device", "weather-01")


async def test_nothing_is_told_where_nobody_asked_for_it(plant: Site) -> None:
    plant.ready_device("unwatched")
    before = version(plant.user, "unwatched")

    async with connect_as(plant.url, plant.user.creds("unwatched")) as device:
        await device.client.flush()
        listening = plant.server.monitor("/connz?subs=1&auth=1")["connections"]

    subjects = {subject for one in listening for subject in one.get("subscriptions_list", ())}
    assert "$SYS.SERVER.*.STATSZ" in subjects
    assert not any(subject.endswith(("CONNECT", "AUTH.ERR")) for subject in subjects)
    assert version(plant.user, "unwatched") == before


async def test_an_mqtt_device_is_still_known_when_the_operator_returns(present: Site, operator: Operator) -> None:
    for name in ("Tank", "Mixer"):
        present.ready_device(name.lower(), deviceId=name, connectionTypes=["MQTT"])
    password = present.user.wait_secret("tank-device-creds")["password"].decode()

    async with connect_mqtt(present.server.mqtt_url, "Mixer", password):
        wait_connected(present.user, "tank")
        before = version(present.user, "tank")
        operator.stop()
        operator.start()
        await wait_later_device(present, "after-the-restart")

        assert version(present.user, "tank") == before
        mixer = present.user.get("Device", "mixer")
        assert mixer is not None
        assert presence(mixer) == {}
