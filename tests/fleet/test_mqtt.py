"""Devices that speak MQTT: a user name and a password, held to their role, cut off, and good for nothing else."""

import json
from collections.abc import Iterator

import pytest
from fleet.conftest import Site, bring_up, new_namespace
from fleet.key_holder import KeyHolder

from testbed.api import RequestRefusedError
from testbed.bearer import creds_without_its_seed
from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.control_plane import ControlPlane
from testbed.mqtt_client import connect_mqtt, is_accepted_mqtt, is_refused_mqtt
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import condition_of

STORAGE = {"diskStorage": "64Mi", "memoryStorage": "64Mi"}


@pytest.fixture(scope="module")
def plant_with_storage(
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A site whose account has JetStream, as MQTT needs; tests change nothing but Devices of their own names."""
    with new_namespace(plane) as user, NatsServer(tmp_path_factory.mktemp("mqtt"), interval="2s") as server:
        yield bring_up(user, server, accounts=[{"name": "iot", "jetStream": STORAGE}])


def login(site: Site, device: str) -> tuple[str, str]:
    """User name and password, as an MQTT client reads them from the Secret."""
    secret = site.user.wait_secret(f"{device}-device-creds")
    return secret["username"].decode(), secret["password"].decode()


class TestSecret:
    def test_it_holds_what_an_mqtt_client_asks_for_and_no_key(self, plant_with_storage: Site) -> None:
        plant_with_storage.ready_device("object-name", deviceId="Pump_07", connectionTypes=["MQTT"])

        secret = plant_with_storage.user.wait_secret("object-name-device-creds")

        assert secret.keys() == {"username", "password", "user.jwt", "inbox-prefix"}
        assert secret["username"] == b"Pump_07"
        password_is_the_jwt = secret["password"] == secret["user.jwt"]
        assert password_is_the_jwt
        assert not any(b"SEED" in value for value in secret.values())

    async def test_it_changes_its_form_with_the_connection_types_and_the_old_password_is_refused(
        self, plant_with_storage: Site
    ) -> None:
        site = plant_with_storage
        site.ready_device("modern", connectionTypes=["MQTT"])
        before = login(site, "modern")

        async with connect_mqtt(site.server.mqtt_url, *before) as device:
            site.ready_device("modern", connectionTypes=["STANDARD"])
            await device.wait_closed()

        assert await is_refused_mqtt(site.server.mqtt_url, *before)
        assert site.user.wait_secret("modern-device-creds").keys() == {"nats.creds", "user.jwt", "inbox-prefix"}
        await wait_accepted(site.url, site.user.creds("modern"))


class TestRole:
    async def test_it_publishes_as_itself_and_as_nobody_else(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("speaker", connectionTypes=["MQTT"])

        async with (
            connect_as(site.url, KeyHolder(site.user).user_creds()) as witness,
            connect_mqtt(site.server.mqtt_url, *login(site, "speaker")) as device,
        ):
            assert await device.may_publish("device/speaker/telemetry", witness=witness)
            for foreign in ("device/other/telemetry", "event/alarm", "speaker/set", "other/set"):
                assert not await device.may_publish(foreign, witness=witness)

    async def test_it_hears_what_is_sent_to_it_and_to_nobody_else(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("listener", connectionTypes=["MQTT"])

        async with (
            connect_as(site.url, KeyHolder(site.user).user_creds()) as service,
            connect_mqtt(site.server.mqtt_url, *login(site, "listener")) as device,
        ):
            for foreign in ("other/#", "other/set", "+/set", "#", "device/#", "$SYS/#"):
                assert not await device.may_subscribe(foreign)
            # In MQTT `#` takes in its own parent: two subjects in NATS.
            assert await device.may_subscribe("listener/#")

            for subject in ("other.set", "listener", "listener.set"):
                await service.client.publish(subject, subject.encode())

            assert await device.next_message() == ("listener", b"listener")
            assert await device.next_message() == ("listener/set", b"listener.set")

    async def test_its_own_permissions_are_added(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        permissions = {"publish": {"allow": ["event.{id}.>"]}, "subscribe": {"allow": ["news.>"]}}
        site.ready_device("informed", connectionTypes=["MQTT"], permissions=permissions)

        async with (
            connect_as(site.url, KeyHolder(site.user).user_creds()) as witness,
            connect_mqtt(site.server.mqtt_url, *login(site, "informed")) as device,
        ):
            assert await device.may_publish("device/informed/telemetry", witness=witness)
            assert await device.may_publish("event/informed/alarm", witness=witness)
            assert not await device.may_publish("event/other/alarm", witness=witness)
            assert await device.may_subscribe("news/weather")
            assert await device.may_subscribe("informed/#")
            assert not await device.may_subscribe("gossip/weather")


class TestStolenPassword:
    async def test_it_opens_nothing_but_mqtt_over_tcp(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("pump-tcp", connectionTypes=["MQTT"])
        username, password = login(site, "pump-tcp")

        assert await is_accepted_mqtt(site.server.mqtt_url, username, password)
        assert await is_refused_mqtt(site.server.mqtt_websocket_url, username, password)
        for url in (site.url, site.server.websocket_url):
            assert await is_refused(url, creds_without_its_seed(password))

    async def test_one_for_websocket_opens_nothing_but_mqtt_over_websocket(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("pump-ws", connectionTypes=["MQTT_WS"])
        username, password = login(site, "pump-ws")

        async with (
            connect_as(site.url, KeyHolder(site.user).user_creds()) as witness,
            connect_mqtt(site.server.mqtt_websocket_url, username, password) as device,
        ):
            assert await device.may_publish("device/pump-ws/telemetry", witness=witness)
            assert not await device.may_publish("device/other/telemetry", witness=witness)
        assert await is_refused_mqtt(site.server.mqtt_url, username, password)
        for url in (site.url, site.server.websocket_url):
            assert await is_refused(url, creds_without_its_seed(password))

    async def test_the_jwt_of_a_device_with_a_key_is_no_password(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("with-key")
        token = site.user.wait_secret("with-key-device-creds")["user.jwt"].decode()

        for url in (site.server.mqtt_url, site.server.mqtt_websocket_url):
            assert await is_refused_mqtt(url, "with-key", token)

    async def test_no_device_can_ask_the_servers_for_it(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("victim", connectionTypes=["MQTT"])
        site.ready_device("spy", role="device-any")

        async with (
            connect_mqtt(site.server.mqtt_url, *login(site, "victim")),
            connect_as(site.url, site.user.creds("spy"), inbox_prefix="_INBOX_spy") as spy,
        ):
            for question in ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ"):
                assert not await spy.may_publish(question, json.dumps({"auth": True}).encode())

    async def test_even_who_may_ask_the_servers_is_not_told_it(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("discreet", connectionTypes=["MQTT"])
        username, password = login(site, "discreet")
        question = json.dumps({"auth": True, "mqtt_client": "discreet-1"}).encode()

        async with (
            connect_mqtt(site.server.mqtt_url, username, password, client_id="discreet-1"),
            connect_as(site.url, KeyHolder(site.user).user_creds()) as curious,
        ):
            answer = await curious.client.request("$SYS.REQ.SERVER.PING.CONNZ", question, timeout=5)

        (connection,) = json.loads(answer.data)["data"]["connections"]
        told = password in answer.data.decode()
        assert connection["authorized_user"] == "discreet"
        assert not told


class TestSession:
    async def test_what_comes_over_mqtt_while_a_device_is_away_waits_for_it_and_what_comes_over_nats_does_not(
        self, plant_with_storage: Site
    ) -> None:
        site, url = plant_with_storage, plant_with_storage.server.mqtt_url
        site.ready_device("sleeper", connectionTypes=["MQTT"])
        site.ready_device("pager", connectionTypes=["MQTT"], permissions={"publish": {"allow": ["sleeper.>"]}})
        credentials = login(site, "sleeper")

        async with connect_mqtt(url, *credentials, client_id="sleeper", keep=True) as device:
            assert await device.may_subscribe("sleeper/#")
        async with (
            connect_as(site.url, KeyHolder(site.user).user_creds()) as service,
            connect_mqtt(url, *login(site, "pager")) as pager,
        ):
            await service.client.publish("sleeper.set", b"by NATS")
            await service.client.flush()
            await pager.publish("sleeper/set", b"by MQTT")

        async with connect_mqtt(url, *credentials, client_id="sleeper", keep=True) as device:
            assert await device.next_message() == ("sleeper/set", b"by MQTT")

    async def test_whoever_shows_its_client_id_takes_its_place(self, plant_with_storage: Site) -> None:
        """As the pages warn: nothing but accounts keeps devices apart here."""
        site = plant_with_storage
        for name in ("impostor", "original"):
            site.ready_device(name, connectionTypes=["MQTT"])

        url = site.server.mqtt_url

        async with (
            connect_mqtt(url, *login(site, "original"), client_id="original") as device,
            connect_mqtt(url, *login(site, "impostor"), client_id="original") as other,
        ):
            await device.wait_closed()
            assert not await other.may_subscribe("original/#")

    async def test_a_connection_ends_with_its_password_and_the_next_one_is_there_by_then(
        self, plant_with_storage: Site
    ) -> None:
        site = plant_with_storage
        short = {"jwt": {"duration": "14s", "renewBefore": "10s"}}
        site.ready_device("brief", connectionTypes=["MQTT"], rotation=short)
        first = login(site, "brief")

        async with connect_mqtt(site.server.mqtt_url, *first) as device:
            await device.wait_closed(within=20)

        assert not await is_accepted_mqtt(site.server.mqtt_url, *first)
        assert await is_accepted_mqtt(site.server.mqtt_url, *login(site, "brief"))


class TestCutOff:
    async def test_a_deleted_device_is_cut_off_and_its_password_is_refused(self, plant_with_storage: Site) -> None:
        site = plant_with_storage
        site.ready_device("retired", connectionTypes=["MQTT"])
        credentials = login(site, "retired")

        async with connect_mqtt(site.server.mqtt_url, *credentials) as device:
            site.user.delete("Device", "retired")
            await device.wait_closed()

        site.user.wait_gone("Device", "retired")
        assert await is_refused_mqtt(site.server.mqtt_url, *credentials)

    async def test_a_suspended_device_is_cut_off_and_comes_back_with_another_password(
        self, plant_with_storage: Site
    ) -> None:
        site = plant_with_storage
        site.ready_device("paused", connectionTypes=["MQTT"])
        before = login(site, "paused")

        async with connect_mqtt(site.server.mqtt_url, *before) as device:
            site.user.apply_device("paused", connectionTypes=["MQTT"], suspended=True)
            await device.wait_closed()
        site.user.wait_reason("Device", "paused", "Suspended")
        assert await is_refused_mqtt(site.server.mqtt_url, *before)

        site.ready_device("paused", connectionTypes=["MQTT"], suspended=False)
        assert await is_accepted_mqtt(site.server.mqtt_url, *login(site, "paused"))
        assert await is_refused_mqtt(site.server.mqtt_url, *before)


class TestSpec:
    def test_a_device_that_is_not_let_in_yet_has_nothing_to_steal(self, plant_with_storage: Site) -> None:
        plant_with_storage.user.apply_device("boxed", connectionTypes=["MQTT"], suspended=True)

        plant_with_storage.user.wait_reason("Device", "boxed", "Suspended")

        assert plant_with_storage.user.secret("boxed-device-creds") is None

    @pytest.mark.parametrize("types", [["STANDARD", "MQTT"], ["WEBSOCKET", "MQTT_WS"]])
    def test_mqtt_beside_another_connection_type_is_refused_at_admission(
        self, plant_with_storage: Site, types: list[str]
    ) -> None:
        with pytest.raises(RequestRefusedError, match="one identity for MQTT and another"):
            plant_with_storage.user.apply_device("both", connectionTypes=types)

    def test_a_device_with_its_own_key_is_refused_mqtt_at_admission(self, plant_with_storage: Site) -> None:
        with pytest.raises(RequestRefusedError, match="publicKey"):
            plant_with_storage.user.apply_device("own-key", connectionTypes=["MQTT"], publicKey=f"U{'A' * 55}")

    def test_a_device_of_an_account_without_jetstream_is_told(self, plant: Site) -> None:
        plant.user.apply_device("nowhere-to-store", connectionTypes=["MQTT"])

        told = plant.user.wait_reason("Device", "nowhere-to-store", "JetStreamRequired")

        assert "jetStream" in condition_of(told, "Ready")["message"]
        assert plant.user.secret("nowhere-to-store-device-creds") is None

    def test_a_device_of_an_account_that_refuses_bearer_jwts_is_told(self, site: Site) -> None:
        refusing = {"name": "iot", "jetStream": STORAGE, "limits": {"disallowBearer": True}}
        site.user.apply_hub("plant", [site.url], accounts=[refusing])
        site.user.wait_ready("Hub", "plant")

        site.user.apply_device("unwelcome", connectionTypes=["MQTT"])

        site.user.wait_reason("Device", "unwelcome", "BearerRefused")
        assert site.user.secret("unwelcome-device-creds") is None
