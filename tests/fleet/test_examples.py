"""Every manifest of the examples is applied as it stands, and does what it says."""

import re
import shlex
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from broker.storing_server import PLAIN, environment, files_with, readable, store
from decide.network_evaluator import Outsider, Pod
from fleet.encrypted import client_context
from fleet.example import EXAMPLES, Example
from fleet.fences import wait_cluster
from fleet.key_holder import KeyHolder
from fleet.test_mqtt import login

from iotsec.x509.certificate import read_certificate
from testbed.cert_manager import CertManager
from testbed.clients import Connected, connect_as, is_accepted, is_refused
from testbed.control_plane import ControlPlane
from testbed.crds import cert_manager_crds
from testbed.handshakes import shake_hands
from testbed.issuer import Issuer
from testbed.mqtt_client import connect_mqtt, is_accepted_mqtt
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User, condition_of

OPENSSL = shutil.which("openssl") or "openssl"
HERE = {
    "encryption-at-rest",
    "quickstart",
    "clients",
    "modules",
    "roles",
    "rotation",
    "key-rotation",
    "mqtt",
    "network",
    "presence",
    "tls-dev",
    "tls-staging",
    "tls-production",
}
ELSEWHERE = {"accounts", "existing-trust", "kustomize"}
"""They have tests of their own."""


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


async def test_what_is_stored_cannot_be_read_on_the_volume(example: Example) -> None:
    site = example.apply("encryption-at-rest")
    member = KeyHolder(site.user).user_creds()

    await store(site.server, member, 20)
    site.server.stop()

    assert files_with(site.server, PLAIN) == []
    with environment(site.user.wait_secret("plant-jetstream-key")):
        site.server.start()
    assert await readable(site.server, member) == 20
    hub = site.user.wait_for("Hub", "plant", lambda hub: hub["status"]["encryptionAtRest"]["phase"] == "Active")
    assert hub["status"]["encryptionAtRest"]["cipher"] == "AES"


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


async def test_one_policy_encrypts_every_listener(example: Example) -> None:
    site = example.apply("tls-dev")
    secret = site.user.wait_secret("weather-01-device-creds")

    context, ports = client_context(secret["ca.crt"]), site.server.ports
    assert await is_accepted(site.url, secret["nats.creds"].decode(), tls=context)
    for port, nats in ((ports.client, True), (ports.websocket, False), (ports.mqtt, False)):
        assert (await shake_hands(port.number, context, nats=nats)).accepted
        elsewhere = await shake_hands(port.number, ssl.create_default_context(), nats=nats)
        assert "CERTIFICATE_VERIFY_FAILED" in elsewhere.error
    assert "localhost" in read_certificate(site.user.wait_secret("plant-server-tls")["tls.crt"]).names.dns_names


def written_ca(directory: Path) -> dict[str, bytes]:
    """The CA that is made by the command the example says."""
    text = (EXAMPLES / "tls-staging" / "tls.yaml").read_text()
    command = re.search(r"^#   openssl (.+)\n((?:#     .+\n)*)", text, re.MULTILINE)
    assert command is not None
    arguments = shlex.split(command[1] + command[2].replace("#", " "))
    subprocess.run([OPENSSL, *arguments], cwd=directory, check=True, capture_output=True)
    return {"tls.crt": (directory / "ca.crt").read_bytes(), "tls.key": (directory / "ca.key").read_bytes()}


async def test_a_ca_of_ones_own_signs_for_servers_and_devices(example: Example, user: User, tmp_path: Path) -> None:
    ca = written_ca(tmp_path)
    user.create("Secret", "nats-root", type="kubernetes.io/tls", stringData={k: v.decode() for k, v in ca.items()})

    site = example.apply("tls-staging")

    gateway, creds = site.user.wait_secret("gateway-01-device-tls"), site.user.creds("gateway-01")
    assert gateway["ca.crt"].strip() == ca["tls.crt"].strip()
    assert read_certificate(gateway["tls.crt"]).names.dns_names == ("gateway-01.hall-3.example.com",)
    own = client_context(gateway["ca.crt"], gateway, directory=tmp_path / "gateway-01")
    assert await is_accepted(site.url, creds, tls=own)
    assert not await is_accepted(site.url, creds, tls=client_context(gateway["ca.crt"]))
    kept = site.user.wait_secret("plant-ca")
    assert not any(b"PRIVATE KEY" in text for text in kept.values())


@pytest.fixture
def issuer(plane: ControlPlane, user: User) -> Iterator[Issuer]:
    plane.apply(*cert_manager_crds())
    with CertManager(plane.api) as cert_manager:
        yield cert_manager.issuer("fleet", user.namespace)


async def test_cert_manager_signs_and_certificates_are_renewed_in_windows(
    issuer: Issuer, example: Example, tmp_path: Path
) -> None:
    site = example.apply("tls-production")

    pair, creds = site.user.wait_secret("weather-01-device-tls"), site.user.creds("weather-01")
    own = client_context(issuer.root.pem, pair, directory=tmp_path / "weather-01")
    assert await is_accepted(site.url, creds, tls=own)
    assert not await is_accepted(site.url, creds, tls=client_context(issuer.root.pem))
    page = await shake_hands(site.server.ports.websocket.number, client_context(issuer.root.pem), nats=False)
    assert page.accepted, page.error
    status = site.user.wait_ready("Device", "weather-01")["status"]["certificate"]
    due = datetime.fromisoformat(status["renewalTime"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (due.strftime("%a"), due.hour in range(2, 6)) == ("Sun", True)
    bundle = site.user.wait_for("ConfigMap", "nats-ca", lambda found: "ca.crt" in found["data"])
    assert bundle["data"]["ca.crt"].encode() == issuer.root.pem


def test_a_fenced_hub_lets_in_whom_it_names_and_its_module_reaches_what_it_declares(example: Example) -> None:
    site = example.apply("network")
    here, where = site.user.namespace, wait_cluster(site.user, "billing-module")
    nats = Pod(here, "nats", {"app.kubernetes.io/name": "nats"})
    billing, shell = Pod(here, "billing"), Pod(here, "shell")

    assert where.allows(Outsider("10.20.1.1"), nats, 1883)
    assert where.allows(Outsider("10.30.0.1"), nats, 4222)
    assert not where.allows(Outsider("10.30.0.1"), nats, 1883)
    assert [where.allows(pod, nats, 4222) for pod in (billing, shell)] == [True, False]
    assert where.allows(billing, Outsider("192.0.2.10"), 5432)
    assert not where.allows(billing, Outsider("192.0.2.11"), 5432)
    assert where.allows(Pod("control-room", "screen"), billing, 8080)
    assert not where.allows(shell, billing, 8080)
