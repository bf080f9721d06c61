"""Every manifest of the examples is applied as it stands, and does what it says."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from fleet.conftest import ROOT, Site
from fleet.test_mqtt import login

from testbed.apply import apply
from testbed.clients import Connected, connect_as, is_accepted, is_refused
from testbed.mqtt_client import connect_mqtt, is_accepted_mqtt
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User, condition_of

EXAMPLES = ROOT / "examples"
HERE = {"quickstart", "clients", "modules", "roles", "rotation", "key-rotation", "mqtt", "presence"}
ELSEWHERE = {"accounts", "existing-trust"}
"""They have tests of their own."""


class Example:
    """The folder of an example, in the test's namespace and for the test's server instead of its own."""

    def __init__(self, user: User, server: NatsServer, directory: Path) -> None:
        self._user, self._server, self._directory = user, server, directory

    def apply(self, folder: str) -> Site:
        """Apply the Hub, start its server, apply the rest, and wait until all of it is Ready."""
        objects = [thing for file in sorted((EXAMPLES / folder).glob("*.yaml")) for thing in self._objects(file)]
        self._apply([thing for thing in objects if thing["kind"] == "Hub"])
        self._server.mount(self._user.wait_secret("plant-nats-config"))
        self._server.start()
        self._user.wait_ready("Hub", "plant")
        self._apply(objects)
        for thing in objects:
            if thing["apiVersion"].startswith("iotsec.dev/"):
                self._user.wait_ready(thing["kind"], thing["metadata"]["name"])
        return Site(self._user, self._server)

    def _objects(self, file: Path) -> list[Object]:
        return [thing for thing in yaml.safe_load_all(file.read_text()) if thing["kind"] != "Namespace"]

    def _apply(self, objects: list[dict[str, Any]]) -> None:
        for thing in objects:
            thing["metadata"]["namespace"] = self._user.namespace
            if thing["kind"] == "Hub":
                thing["spec"]["nats"]["servers"] = [self._server.url]
        file = self._directory / "objects.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        apply(self._user.api, [file])


@pytest.fixture
def example(operator: Operator, user: User, server: NatsServer, tmp_path: Path) -> Example:  # noqa: ARG001 - it makes the Hub work
    return Example(user, server, tmp_path)


async def reaches(connected: Connected, *, publish: dict[str, bool], subscribe: dict[str, bool]) -> bool:
    """Whether a connection may do just what is said, each subject with a yes or a no."""
    published = {subject: await connected.may_publish(subject) for subject in publish}
    subscribed = {subject: await connected.may_subscribe(subject) for subject in subscribe}
    return (published, subscribed) == (publish, subscribe)


def test_no_example_goes_untested() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}

    assert folders == HERE | ELSEWHERE


async def test_the_quickstart_gives_a_device_its_own_subjects(example: Example) -> None:
    site = example.apply("quickstart")

    async with connect_as(site.url, site.user.creds("weather-01")) as device:
        assert await reaches(
            device,
            publish={"device.weather-01.telemetry": True, "device.weather-02.telemetry": False},
            subscribe={"weather-01.>": True, "weather-02.>": False},
        )


async def test_clients_have_their_access_levels(example: Example) -> None:
    site = example.apply("clients")
    lists, asks, device = "client.x.core.v1alpha.list", "client.x.cmd.v1alpha.send", "device.weather-01.telemetry"
    levels = {
        "hall-screen": {lists: True, asks: False, device: False},
        "operations": {lists: True, asks: True, device: False},
        "load-test": {lists: True, asks: True, device: True},
    }

    for name, publish in levels.items():
        async with connect_as(site.url, site.user.creds(name, "client")) as client:
            assert await reaches(client, publish=publish, subscribe={"$SYS.>": False, "client.>": False})


async def test_a_modules_workload_is_restarted_with_its_new_key(example: Example) -> None:
    site = example.apply("modules")

    site.user.annotate("Module", "ingest", {"iotsec.dev/rotate": "1"})
    status = site.user.wait_for("Module", "ingest", lambda m: "restartedAt" in m["status"])["status"]

    deployment = site.user.get("Deployment", "ingest")
    assert deployment is not None
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"iotsec.dev/restartedAt": status["restartedAt"]}
    async with connect_as(site.url, site.user.creds("ingest", "module")) as module:
        assert await reaches(module, publish={"weather-01.set": True}, subscribe={"device.*.>": True, "$SYS.>": False})


async def test_roles_give_what_they_say(example: Example) -> None:
    site = example.apply("roles")

    async with connect_as(site.url, site.user.creds("gateway-01")) as gateway:
        assert await reaches(
            gateway,
            publish={
                "device.gateway-01.telemetry": True,
                "device.gateway-01.factory.reset": False,
                "event.gateway.gateway-01": True,
                "event.gateway.gateway-02": False,
            },
            subscribe={"gateway-01.>": True, "device.>": False},
        )
    async with connect_as(site.url, site.user.creds("archive", "module")) as archive:
        assert await archive.may_subscribe("device.>", "archive")
        assert await reaches(archive, publish={"device.a.b": False, "x": False}, subscribe={"device.>": False})
    async with connect_as(site.url, site.user.creds("siren-01")) as siren:
        assert await reaches(
            siren,
            publish={"device.siren-01.state": True, "event.alarm.x": False},
            subscribe={"event.alarm.>": True, "siren-01.>": True},
        )


def test_rotations_are_planned_as_they_say(example: Example) -> None:
    site = example.apply("rotation")
    weather, door = site.user.wait_ready("Device", "weather-01"), site.user.wait_ready("Device", "door-01")

    due = datetime.fromisoformat(weather["status"]["renewalTime"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (due.strftime("%a"), due.hour in range(2, 6)) == ("Sun", True)
    assert lived(weather["status"], "expiresAt") == timedelta(hours=720)
    assert lived(weather["status"], "renewalTime") <= timedelta(hours=720)
    assert condition_of(weather, "RotationWindowMissed") == {}

    soon = datetime.fromisoformat(door["status"]["renewalTime"])
    assert soon.minute < 30
    assert lived(door["status"], "expiresAt") == timedelta(hours=24)
    assert lived(door["status"], "renewalTime") <= timedelta(hours=13, minutes=30)
    assert door["status"]["rotated"] == ["1"]


async def test_another_signing_key_comes_beside_the_one_in_use(example: Example) -> None:
    site = example.apply("key-rotation")

    site.user.annotate("Hub", "plant", {"rotate.iotsec.dev/device": "1"})
    site.user.wait_reason("Hub", "plant", "SigningKeyAdded", condition="Rotating")

    entries = {"account.iot.role.device", "account.iot.role.device.2", "account.iot.role.module"}
    assert entries <= site.user.wait_secret("plant-signing-keys").keys()
    assert "account.iot.role.module.2" not in site.user.wait_secret("plant-signing-keys")
    assert await is_accepted(site.url, site.user.creds("weather-01"))


async def test_statuses_say_who_is_connected_and_who_was_refused(example: Example) -> None:
    site = example.apply("presence")
    former = site.user.creds("door-01")

    async with connect_as(site.url, site.user.creds("weather-01")):
        site.user.wait_for("Device", "weather-01", lambda device: device["status"].get("connected") is True)
    site.user.patch("Device", "door-01", {"spec": {"suspended": True}})
    site.user.wait_reason("Device", "door-01", "Suspended")

    assert await is_refused(site.url, former)
    door = site.user.wait_for("Device", "door-01", lambda device: "lastDenied" in device["status"])
    denied = door["status"]["lastDenied"]
    assert (denied["reason"], denied["from"]) == ("credential revoked", "127.0.0.1")


def lived(status: dict[str, str], until: str) -> timedelta:
    """From the issue of a JWT to another moment of its life."""
    return datetime.fromisoformat(status[until]) - datetime.fromisoformat(status["issuedAt"])


async def test_mqtt_and_websocket_devices_connect_in_their_own_ways(example: Example) -> None:
    site = example.apply("mqtt")
    server = site.server

    assert await is_accepted_mqtt(server.mqtt_url, *login(site, "thermometer-01"))
    async with connect_mqtt(server.mqtt_url, *login(site, "thermometer-01")) as thermometer:
        assert await thermometer.may_subscribe("thermometer-01/#")
        assert not await thermometer.may_subscribe("panel-01/#")
    panel = site.user.creds("panel-01")
    assert await is_refused(site.url, panel)
    async with connect_as(server.websocket_url, panel) as page:
        assert await reaches(page, publish={"device.panel-01.touched": True}, subscribe={"thermometer-01.>": False})
