"""The MQTT client says what the server did: let in or not, delivered or dropped, cut off."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from iotsec.nats import creds
from iotsec.nats.claims import (
    AccountClaims,
    AccountLimits,
    ConnectionType,
    JetStreamLimits,
    OperatorClaims,
    Permissions,
    UserClaims,
    UserPermissionLimits,
)
from iotsec.nats.jwt import encode
from iotsec.nats.keys import KeyType, SigningKey
from iotsec.nats.server_config import server_conf
from testbed.bearer import creds_without_its_seed
from testbed.clients import connect_as, is_accepted, is_refused
from testbed.mqtt_client import connect_mqtt, is_accepted_mqtt, is_refused_mqtt, wait_accepted_mqtt
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import NatsServer

ISSUED_AT = 1_700_000_000
OWN = Permissions(publish_allow=("device.pump-07.>",), subscribe_allow=("pump-07", "pump-07.>"))
STORAGE = JetStreamLimits(memory_storage=1 << 26, disk_storage=1 << 26, streams=-1, consumers=-1)


def new_key(kind: KeyType) -> SigningKey:
    return SigningKey.generate(kind, os.urandom(32))


@dataclass(frozen=True)
class Plant:
    """A server with one account that has JetStream, and who signs its users."""

    server: NatsServer
    account: SigningKey

    @property
    def urls(self) -> tuple[str, str]:
        return self.server.mqtt_url, self.server.mqtt_websocket_url

    def bearer(self, *types: ConnectionType) -> str:
        """A user JWT that is a password, for the subjects of `pump-07`."""
        limits = UserPermissionLimits(permissions=OWN, bearer_token=True, connection_types=types)
        return self._user(new_key(KeyType.USER), limits)

    def witness_creds(self) -> str:
        """Creds of a user of the account who may do anything in it."""
        key = new_key(KeyType.USER)
        return creds.format_creds(self._user(key, UserPermissionLimits()), key).decode()

    def _user(self, key: SigningKey, limits: UserPermissionLimits) -> str:
        return encode(UserClaims(limits=limits), self.account, subject=key.public, issued_at=ISSUED_AT)


def new_trust() -> tuple[dict[str, bytes], SigningKey]:
    """What servers are given to let the users of one account in, and the account's key."""
    operator = new_key(KeyType.OPERATOR)
    system, account = new_key(KeyType.ACCOUNT), new_key(KeyType.ACCOUNT)
    conf = server_conf(
        operator_jwt=encode(
            OperatorClaims(system_account=system.public), operator, subject=operator.public, issued_at=ISSUED_AT
        ),
        system_account=system.public,
        system_account_jwt=encode(AccountClaims(), operator, subject=system.public, issued_at=ISSUED_AT),
    )
    claims = AccountClaims(limits=AccountLimits(jetstream=STORAGE))
    plant_jwt = encode(claims, operator, subject=account.public, issued_at=ISSUED_AT)
    return {"server.conf": f"{conf}\nresolver_preload {{ {account.public}: {plant_jwt} }}".encode()}, account


def set_up(server: NatsServer) -> Plant:
    files, account = new_trust()
    server.mount(files)
    server.start()
    server.wait_ready()
    return Plant(server, account)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield set_up(server)


@pytest.mark.parametrize("listener", [0, 1], ids=["mqtt", "websocket"])
class TestOverBothListeners:
    async def test_a_publish_is_allowed_when_it_arrives_and_refused_when_it_does_not(
        self, plant: Plant, listener: int
    ) -> None:
        async with (
            connect_as(plant.server.url, plant.witness_creds()) as witness,
            connect_mqtt(plant.urls[listener], "pump-07", plant.bearer()) as device,
        ):
            assert await device.may_publish("device/pump-07/telemetry", witness=witness)
            assert not await device.may_publish("device/pump-08/telemetry", witness=witness)
            assert not device.closed.is_set()

    async def test_a_refused_publish_does_not_come_later_either(self, plant: Plant, listener: int) -> None:
        async with (
            connect_as(plant.server.url, plant.witness_creds()) as witness,
            connect_mqtt(plant.urls[listener], "pump-07", plant.bearer()) as device,
        ):
            everything = await witness.client.subscribe("device.>")
            await witness.client.flush()
            for number in range(100):
                assert not await device.may_publish("device/pump-08/telemetry", witness=witness)
                await device.publish("device/pump-07/telemetry", str(number).encode())

            heard = [(await everything.next_msg(timeout=5)) for _ in range(100)]

            assert {message.subject for message in heard} == {"device.pump-07.telemetry"}
            assert [message.data for message in heard] == [str(number).encode() for number in range(100)]

    async def test_a_subscription_is_allowed_or_refused_and_hears_what_is_published(
        self, plant: Plant, listener: int
    ) -> None:
        async with (
            connect_as(plant.server.url, plant.witness_creds()) as service,
            connect_mqtt(plant.urls[listener], "pump-07", plant.bearer()) as device,
        ):
            assert await device.may_subscribe("pump-07/#")
            assert not await device.may_subscribe("pump-08/#")
            assert not await device.may_subscribe("#")

            await service.client.publish("pump-08.set", b"not for it")
            await service.client.publish("pump-07.set", b"50 percent")

            assert await device.next_message() == ("pump-07/set", b"50 percent")
            assert device.received.empty()

    async def test_only_a_bearer_token_under_some_name_lets_in(self, plant: Plant, listener: int) -> None:
        url = plant.urls[listener]
        with_a_key = plant.witness_creds().split("\n")[1]

        assert await is_accepted_mqtt(url, "pump-07", plant.bearer())
        for username, password in (("pump-07", "no JWT at all"), ("pump-07", with_a_key)):
            assert await is_refused_mqtt(url, username, password)
            assert not await is_accepted_mqtt(url, username, password)
        # Over WebSocket nats-server ends such a connection without an answer.
        assert not await is_accepted_mqtt(url, "", plant.bearer())

    async def test_a_connection_that_the_server_ends_is_told(self, tmp_path: Path, listener: int) -> None:
        with NatsServer(tmp_path) as server:
            plant = set_up(server)
            url, password = plant.urls[listener], plant.bearer()
            async with connect_mqtt(url, "pump-07", password) as device:
                server.stop()

                await device.wait_closed()

                with pytest.raises(ConnectionError, match="ended"):
                    await device.publish("device/pump-07/telemetry")
            assert not await is_accepted_mqtt(url, "pump-07", password)
            with pytest.raises(ConnectionRefusedError):
                await is_refused_mqtt(url, "pump-07", password)


async def test_a_token_for_one_listener_is_refused_by_the_other(plant: Plant) -> None:
    over_tcp, over_websocket = plant.urls
    for_tcp, for_websocket = plant.bearer(ConnectionType.MQTT), plant.bearer(ConnectionType.MQTT_WS)

    assert await is_accepted_mqtt(over_tcp, "pump-07", for_tcp)
    assert await is_accepted_mqtt(over_websocket, "pump-07", for_websocket)
    assert await is_refused_mqtt(over_tcp, "pump-07", for_websocket)
    assert await is_refused_mqtt(over_websocket, "pump-07", for_tcp)


async def test_a_first_login_is_broken_off_until_the_servers_have_elected_a_leader(tmp_path: Path) -> None:
    files, account = new_trust()
    with NatsCluster(tmp_path, 3) as cluster:
        cluster.mount(files)
        first, *others = cluster.servers
        first.start()
        plant = Plant(first, account)

        assert not await is_accepted_mqtt(first.mqtt_url, "pump-07", plant.bearer())
        for server in others:
            server.start()
        await wait_accepted_mqtt(first.mqtt_url, "pump-07", plant.bearer())


async def test_a_witness_who_may_not_listen_cannot_testify(plant: Plant) -> None:
    deaf = creds_without_its_seed(plant.bearer())
    async with (
        connect_as(plant.server.url, deaf) as witness,
        connect_mqtt(plant.server.mqtt_url, "pump-07", plant.bearer()) as device,
    ):
        with pytest.raises(RuntimeError, match="take one that may"):
            await device.may_publish("device/pump-07/telemetry", witness=witness)


async def test_a_stolen_bearer_token_lets_its_thief_in_wherever_its_connection_types_do(plant: Plant) -> None:
    url, over_websocket = plant.server.url, plant.server.websocket_url
    for_anything, for_mqtt = creds_without_its_seed(plant.bearer()), plant.bearer(ConnectionType.MQTT)

    assert await is_accepted(url, for_anything)
    assert await is_accepted(over_websocket, for_anything)
    assert await is_refused(url, creds_without_its_seed(for_mqtt))
    assert await is_refused(over_websocket, creds_without_its_seed(for_mqtt))
