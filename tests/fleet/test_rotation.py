"""Keys and JWTs that take each other's place: both work for the overlap, the former ends with it, and nobody waits."""

import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet.conftest import Site, bring_up
from fleet.test_mqtt import STORAGE, login

from testbed.clients import connect_as, is_accepted, is_refused, wait_accepted
from testbed.mqtt_client import connect_mqtt, is_accepted_mqtt, is_refused_mqtt
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

LONG = {"duration": "1h"}
ROTATE = "iotsec.dev/rotate"


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def revision(number: int) -> Any:
    """A condition: that many JWTs were issued."""
    return lambda device: device["status"].get("revision") == number


def heeded(token: str) -> Any:
    """A condition: a rotation was made for this token."""
    return lambda device: token in device["status"].get("rotated", ())


def rotating(device: Object) -> bool:
    """Whether a former credential is told to work still."""
    return condition_of(device, "Rotating").get("status") == "True"


class TestKeys:
    async def test_both_keys_work_for_the_overlap_and_the_former_is_cut_off_at_its_end(self, plant: Site) -> None:
        rotation = {"jwt": LONG, "keys": {"duration": "30s", "overlap": "10s"}}
        first = plant.ready_device("turning", rotation=rotation)["status"]
        old = plant.user.creds("turning")

        async with connect_as(plant.url, old) as device:
            second = plant.user.wait_for("Device", "turning", revision(2), within=30)
            new = plant.user.creds("turning")

            assert second["status"]["publicKey"] != first["publicKey"]
            assert second["status"]["keyIssuedAt"] > first["keyIssuedAt"]
            assert condition_of(second, "Ready")["status"] == "True"
            assert condition_of(second, "Rotating")["reason"] == "Overlap"
            assert await device.may_publish("device.turning.telemetry"), "nobody is cut off by a rotation"
            await wait_accepted(plant.url, old)
            await wait_accepted(plant.url, new)

            await device.wait_closed(within=20)

        assert await is_refused(plant.url, old)
        assert await is_accepted(plant.url, new)
        done = plant.user.wait_for("Device", "turning", lambda d: not rotating(d))
        assert condition_of(done, "Ready")["status"] == "True"

    async def test_a_rotation_is_due_at_the_end_of_the_key_or_of_the_jwt_whichever_is_first(self, plant: Site) -> None:
        keys_first = plant.ready_device("keys-first", rotation={"jwt": {"duration": "4h"}, "keys": LONG})["status"]
        jwt_first = plant.ready_device("jwt-first", rotation={"jwt": LONG, "keys": {"duration": "4h"}})["status"]

        for status in (keys_first, jwt_first):
            left = instant(status["renewalTime"]) - instant(status["issuedAt"])
            assert timedelta(minutes=35) < left <= timedelta(minutes=40)

    async def test_a_deleted_device_is_refused_with_both_its_keys(self, plant: Site) -> None:
        plant.ready_device("both", rotation={"jwt": LONG, "keys": {"duration": "1h", "overlap": "30m"}})
        old = plant.user.creds("both")
        plant.user.annotate("Device", "both", {ROTATE: "1"})
        plant.user.wait_for("Device", "both", revision(2))
        new = plant.user.creds("both")
        await wait_accepted(plant.url, old)

        async with connect_as(plant.url, old) as one, connect_as(plant.url, new) as other:
            plant.user.delete("Device", "both")
            await one.wait_closed()
            await other.wait_closed()

        plant.user.wait_gone("Device", "both")
        assert await is_refused(plant.url, old)
        assert await is_refused(plant.url, new)

    async def test_rights_that_are_taken_away_in_an_overlap_are_gone_for_the_former_key_too(self, plant: Site) -> None:
        overlap = {"jwt": LONG, "keys": {"duration": "1h", "overlap": "30m"}}
        extra = {"publish": {"allow": ["event.{id}"]}}
        plant.ready_device("narrowed", rotation=overlap, permissions=extra)
        old = plant.user.creds("narrowed")
        plant.user.annotate("Device", "narrowed", {ROTATE: "1"})
        plant.user.wait_for("Device", "narrowed", revision(2))
        middle = plant.user.creds("narrowed")

        async with connect_as(plant.url, old) as thief:
            assert await thief.may_publish("event.narrowed")
            plant.user.apply_device("narrowed", rotation=overlap)
            await thief.wait_closed()

        plant.user.wait_ready("Device", "narrowed")
        for former in (old, middle):
            assert await is_refused(plant.url, former)
        async with connect_as(plant.url, plant.user.creds("narrowed")) as device:
            assert await device.may_publish("device.narrowed.telemetry")
            assert not await device.may_publish("event.narrowed")

    async def test_a_suspension_in_an_overlap_cuts_both_keys_off(self, plant: Site) -> None:
        plant.ready_device("held-keys", rotation={"jwt": LONG, "keys": {"duration": "1h", "overlap": "30m"}})
        old = plant.user.creds("held-keys")
        plant.user.annotate("Device", "held-keys", {ROTATE: "1"})
        plant.user.wait_for("Device", "held-keys", revision(2))
        new = plant.user.creds("held-keys")

        plant.user.apply_device("held-keys", suspended=True)
        plant.user.wait_reason("Device", "held-keys", "Suspended")

        assert await is_refused(plant.url, old)
        assert await is_refused(plant.url, new)


class TestOverlapOfJwts:
    async def test_a_renewed_jwt_ends_with_its_overlap_instead_of_with_its_own_end(self, plant: Site) -> None:
        rotation = {"jwt": {"duration": "1h", "renewBefore": "59m51s", "overlap": "10s"}}
        first = plant.ready_device("brief", rotation=rotation)["status"]
        old = plant.user.creds("brief")

        async with connect_as(plant.url, old) as device:
            told = plant.user.wait_for("Device", "brief", revision(2))
            plant.user.apply_device("brief", rotation={"jwt": {"duration": "1h", "overlap": "10s"}})
            new = plant.user.creds("brief")
            assert rotating(told)
            assert "former JWT" in condition_of(told, "Rotating")["message"]
            assert told["status"]["publicKey"] == first["publicKey"]
            await wait_accepted(plant.url, old)
            await device.wait_closed(within=20)

        assert now() < instant(first["expiresAt"]) - timedelta(minutes=50)
        assert await is_refused(plant.url, old)
        assert await is_accepted(plant.url, new)


class TestMqtt:
    async def test_a_rotation_changes_the_password_and_the_former_ends_with_the_overlap(
        self,
        operator: Operator,  # noqa: ARG002 - it makes the Hub work
        user: User,
        server: NatsServer,
    ) -> None:
        site = bring_up(user, server, accounts=[{"name": "iot", "jetStream": STORAGE}])
        rotation = {"jwt": LONG, "keys": {"duration": "1h", "overlap": "10s"}}
        site.ready_device("pump", connectionTypes=["MQTT"], rotation=rotation)
        before = login(site, "pump")

        async with connect_mqtt(server.mqtt_url, *before) as device:
            user.annotate("Device", "pump", {ROTATE: "1"})
            user.wait_for("Device", "pump", heeded("1"))
            after = login(site, "pump")
            assert await is_accepted_mqtt(server.mqtt_url, *after)
            await device.wait_closed(within=20)

        changed = before[1] != after[1]
        assert changed
        assert before[0] == after[0] == "pump"
        assert await is_refused_mqtt(server.mqtt_url, *before)
        assert await is_accepted_mqtt(server.mqtt_url, *after)


def status_of(site: Site, name: str) -> dict[str, Any]:
    """What a Device says of itself now."""
    found = site.user.get("Device", name)
    assert found is not None
    status: dict[str, Any] = found["status"]
    return status


class TestAfterDowntime:
    async def test_a_fleet_that_fell_due_meanwhile_is_renewed_and_nobody_is_refused(
        self, plant: Site, operator: Operator
    ) -> None:
        names = [f"fleet-{number:02}" for number in range(30)]
        rotation = {"jwt": {"duration": "45s", "renewBefore": "42s"}}
        for name in names:
            plant.user.apply_device(name, rotation=rotation)
        for name in names:
            plant.user.wait_for("Device", name, lambda d: condition_of(d, "Ready").get("status") == "True")
        operator.stop()
        before = {name: plant.user.creds(name) for name in names}
        last = max(instant(status_of(plant, name)["renewalTime"]) for name in names)
        async with AsyncExitStack() as connections:
            devices = [await connections.enter_async_context(connect_as(plant.url, before[name])) for name in names]
            wait_until(lambda: now() > last, what="all are due")
            revisions = {name: status_of(plant, name)["revision"] for name in names}

            operator.start()
            for name in names:
                plant.user.wait_for("Device", name, lambda d, r=revisions[name]: d["status"]["revision"] > r)
                await wait_accepted(plant.url, plant.user.creds(name))

            assert not any(device.closed.is_set() for device in devices)
