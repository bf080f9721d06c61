"""What clients of all kinds make of the certificates in their Secrets, at every listener of servers that run."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet.conftest import new_namespace
from fleet.encrypted import EncryptedSite, client_context, encrypted_site

from iotsec.x509.authority import self_signed
from iotsec.x509.certificate import issue, read_certificate
from iotsec.x509.keys import KeyType, generate
from iotsec.x509.names import Usage
from testbed.clients import connect_as, is_accepted
from testbed.control_plane import ControlPlane
from testbed.handshakes import shake_hands
from testbed.mqtt_client import connect_mqtt, wait_accepted_mqtt
from testbed.openssl_client import Verdict, judged_by_openssl
from testbed.operator import Operator
from testbed.user import User

STORAGE = {"accounts": [{"name": "iot", "jetStream": {"diskStorage": "64Mi", "memoryStorage": "64Mi"}}]}
INFO_FIRST = {"client", "leafnodes"}
LISTENERS = ("client", "websocket", "mqtt", "leafnodes", "cluster", "gateway")
OF_CLIENTS = {"listeners": {"websocket": {"mode": "Off"}, "mqtt": {"mode": "Off"}, "cluster": {"mode": "Off"}}}


@pytest.fixture(scope="module")
def plant(operator: Operator, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """Three servers with every listener there is, all of them Mutual; tests change nothing but Devices."""
    directory = tmp_path_factory.mktemp("mutual")
    with (
        new_namespace(plane) as user,
        encrypted_site(user, directory, size=3, hub=STORAGE, all_listeners=True, mode="Mutual") as site,
    ):
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


@pytest.fixture
def single(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - as above
    """One server, not encrypted yet."""
    with encrypted_site(user, tmp_path / "site") as site:
        yield site


def ready_device(site: EncryptedSite, name: str, **spec: Any) -> dict[str, bytes]:
    """Apply a Device and return what its certificate's Secret holds."""
    site.user.apply_device(name, **spec)
    site.user.wait_ready("Device", name)
    return site.user.wait_secret(f"{name}-device-tls")


def written(directory: Path, secret: dict[str, bytes]) -> Path:
    """A Secret's files, as a pod has them mounted."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in secret.items():
        (directory / name).write_bytes(content)
    return directory


async def judged(
    site: EncryptedSite, listener: str, files: Path, *options: str, shows: bool = True, info_first: bool | None = None
) -> Verdict:
    """What OpenSSL makes of one listener with the files of a Secret."""
    return await judged_by_openssl(
        getattr(site.server.ports, listener).number,
        *options,
        bundle=files / "ca.crt",
        pair=files if shows else None,
        info_first=listener in INFO_FIRST if info_first is None else info_first,
    )


@pytest.mark.parametrize("scheme", ["tls", "wss"])
async def test_a_python_client_is_let_in_by_its_certificate_and_held_to_its_role(
    plant: EncryptedSite, tmp_path: Path, scheme: str
) -> None:
    pair = ready_device(plant, f"python-{scheme}")
    creds = plant.user.creds(f"python-{scheme}")
    url = {"tls": plant.server.tls_url, "wss": plant.server.wss_url}[scheme]

    async with connect_as(url, creds, tls=client_context(pair["ca.crt"], pair, directory=tmp_path)) as device:
        assert await device.may_publish(f"device.python-{scheme}.telemetry")
        assert not await device.may_publish("device.other.telemetry")

    assert not await is_accepted(url, creds, tls=client_context(pair["ca.crt"]))


@pytest.mark.parametrize("scheme", ["mqtts", "wss"])
async def test_an_mqtt_client_is_let_in_by_its_certificate(plant: EncryptedSite, tmp_path: Path, scheme: str) -> None:
    name, kind = f"mqtt-{scheme}", {"mqtts": "MQTT", "wss": "MQTT_WS"}[scheme]
    pair = ready_device(plant, name, connectionTypes=[kind])
    secret = plant.user.wait_secret(f"{name}-device-creds")
    login = secret["username"].decode(), secret["password"].decode()
    url, port = {
        "mqtts": (plant.server.mqtts_url, plant.server.ports.mqtt),
        "wss": (plant.server.mqtt_wss_url, plant.server.ports.websocket),
    }[scheme]
    shown = client_context(pair["ca.crt"], pair, directory=tmp_path)

    await wait_accepted_mqtt(url, *login, tls=shown)
    async with connect_mqtt(url, *login, tls=shown) as device:
        await device.publish(f"device/{name}/telemetry")

    assert not (await shake_hands(port.number, client_context(pair["ca.crt"]), nats=False)).accepted


@pytest.mark.parametrize("listener", LISTENERS)
async def test_openssl_verifies_every_listener_and_shows_what_it_is_asked_for(
    plant: EncryptedSite, tmp_path: Path, listener: str
) -> None:
    files = written(tmp_path, plant.user.wait_secret("plant-routes-tls"))

    verdict = await judged(plant, listener, files)

    assert verdict.error == ""
    assert verdict.version == "TLSv1.3"


@pytest.mark.parametrize("listener", LISTENERS)
async def test_no_listener_lets_anybody_in_without_a_certificate_or_with_an_older_tls(
    plant: EncryptedSite, tmp_path: Path, listener: str
) -> None:
    files = written(tmp_path, plant.user.wait_secret("plant-routes-tls"))

    nothing_shown = await judged(plant, listener, files, shows=False)
    older = await judged(plant, listener, files, "-tls1_2")

    assert "certificate required" in nothing_shown.error
    assert "alert protocol version" in older.error


@pytest.mark.parametrize("listener", LISTENERS)
async def test_no_listener_takes_a_certificate_of_another_ca_of_the_same_name(
    plant: EncryptedSite, tmp_path: Path, listener: str
) -> None:
    real = ready_device(plant, "honest")
    now = int(time.time())
    (subject,) = (one["subject"] for one in plant.user.wait_ready("TLSPolicy", "plant")["status"]["authorities"])
    forger = self_signed(
        subject.removeprefix("CN="), generate(KeyType()), serial=7, issued_at=now - 60, expires_at=now + 3600
    )
    key = generate(KeyType())
    names = read_certificate(real["tls.crt"]).names
    forged = issue(forger, names, Usage.PEER, key.public, serial=8, issued_at=now - 60, expires_at=now + 3600)
    files = written(tmp_path, {"tls.crt": forged, "tls.key": key.to_pem(), "ca.crt": real["ca.crt"]})

    verdict = await judged(plant, listener, files)

    assert "alert" in verdict.error


@pytest.mark.parametrize("listener", LISTENERS)
async def test_openssl_notices_a_server_that_is_not_the_one_it_asked_for(
    plant: EncryptedSite, tmp_path: Path, listener: str
) -> None:
    files = written(tmp_path, plant.user.wait_secret("plant-routes-tls"))

    verdict = await judged(plant, listener, files, "-verify_hostname", "nats.example.org")

    assert "mismatch" in verdict.error


async def test_an_older_tls_is_spoken_where_the_policy_says_so_with_the_ciphers_it_names(
    single: EncryptedSite, tmp_path: Path
) -> None:
    chosen = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]
    single.encrypt(listeners={**OF_CLIENTS["listeners"], "client": {"minVersion": "1.2", "cipherSuites": chosen}})
    files = written(tmp_path / "files", {"ca.crt": single.bundle()})

    chosen_one = await judged(single, "client", files, "-tls1_2", shows=False)
    another = await judged(single, "client", files, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", shows=False)
    oldest = await judged(single, "client", files, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", shows=False)
    newest = await judged(single, "client", files, shows=False)

    assert chosen_one == Verdict("", "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert "alert handshake failure" in another.error
    assert "alert protocol version" in oldest.error
    assert (newest.error, newest.version) == ("", "TLSv1.3")


@pytest.mark.parametrize("first", ["On", "Auto"])
async def test_clients_may_begin_with_tls_and_the_operator_stays_in_touch(
    single: EncryptedSite, tmp_path: Path, first: str
) -> None:
    single.encrypt(listeners={**OF_CLIENTS["listeners"], "client": {"handshakeFirst": first}})
    files = written(tmp_path / "files", {"ca.crt": single.bundle()})
    single.user.apply_device("pump")
    single.user.wait_ready("Device", "pump")
    creds, context = single.user.creds("pump"), client_context(single.bundle())

    begins_with_tls = await judged(single, "client", files, shows=False, info_first=False)

    assert begins_with_tls.error == ""
    assert await is_accepted(single.server.url, creds, tls=context) is (first == "Auto")
    single.user.delete("Device", "pump")
    single.user.wait_gone("Device", "pump")  # its servers were told, by the operator
    single.user.wait_ready("TLSPolicy", "plant")
