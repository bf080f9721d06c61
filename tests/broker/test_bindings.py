"""A server lets in whoever has any certificate of the CA and any JWT: whose certificate it is is found out here."""

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from broker.certificate_authority import CertificateAuthority, Pair
from broker.encrypted_server import kept_up
from broker.one_account import Trust, new_key
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nats.aio.client import Client, RawCredentials

from iotsec.broker.bindings import Bindings
from iotsec.broker.client_tls import ClientTls
from iotsec.broker.connection import SystemConnection
from iotsec.broker.distribution import Servers
from iotsec.decide.advisories import ID_TAG
from iotsec.decide.bindings import Holder, mismatches, subject_of
from iotsec.decide.foreign_certificate import Foreign
from iotsec.nats import creds, jwt
from iotsec.nats.claims import AccountClaims, AccountLimits, JetStreamLimits, UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey
from iotsec.x509.keys import spki_sha256
from testbed.nats_server import NatsServer
from testbed.waiting import until, wait_until_async

TLS = """
tls {
  cert_file: "/etc/nats-iotsec/server.crt", key_file: "/etc/nats-iotsec/server.key", ca_file: "/etc/nats-iotsec/ca.crt"
  verify: true
}
"""


@dataclass(frozen=True)
class Device:
    """A user with a certificate of its own."""

    name: str
    pair: Pair
    key: SigningKey

    @property
    def digest(self) -> str:
        """What servers show of the certificate's key, worked out by another library than theirs."""
        public = x509.load_pem_x509_certificate(self.pair.certificate).public_key()
        return spki_sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def holder(self, trust: Trust) -> Holder:
        """What the operator knows of it."""
        return Holder(
            name=f"Device iot/{self.name}",
            account=trust.account.public,
            keys=(self.key.public,),
            id=self.name,
            created=0,
            digests=(self.digest,),
            subject=subject_of(self.name),
            since=0,
        )


@dataclass(frozen=True)
class Plant:
    """A server that verifies clients on every listener, two devices, and the operator's connection."""

    trust: Trust
    server: NatsServer
    authority: CertificateAuthority
    connection: SystemConnection
    servers: Servers
    one: Device
    two: Device

    def context(self, pair: Pair) -> ssl.SSLContext:
        return ClientTls(self.authority.pem, pair.certificate, pair.key).context()

    def user_jwt(self, device: Device, *, bearer: bool = False) -> str:
        now = int(time.time())
        claims = UserClaims(
            issuer_account=self.trust.account.public,
            limits=UserPermissionLimits(bearer_token=bearer),
            tags=(f"{ID_TAG}{device.name}",),
        )
        return jwt.encode(
            claims, self.trust.signer, subject=device.key.public, name=device.name, issued_at=now, expires_at=now + 600
        )

    async def found(self) -> dict[str, tuple[Foreign, ...]]:
        """Who presents what is not his."""
        bindings = Bindings(self.connection, issuers=self.trust.issuers)
        shown = await bindings.look(self.servers.known.keys())
        assert shown is not None
        return mismatches(shown, [self.one.holder(self.trust), self.two.holder(self.trust)])

    @asynccontextmanager
    async def over_nats(self, pair: Pair, device: Device, *, url: str = "") -> AsyncIterator[None]:
        """Be connected with a certificate and the JWT of a device."""
        client = Client()
        with warnings.catch_warnings():
            # How the library tells aiohttp its timeout is deprecated there; only WebSockets go that way.
            warnings.filterwarnings("ignore", "parameter 'timeout' of type 'float'", DeprecationWarning)
            await client.connect(
                url or self.server.url,
                user_credentials=RawCredentials(creds.format_creds(self.user_jwt(device), device.key).decode()),
                tls=self.context(pair),
                allow_reconnect=False,
            )
        try:
            yield
        finally:
            await client.close()

    @asynccontextmanager
    async def over_websocket(self, pair: Pair, device: Device) -> AsyncIterator[None]:
        url = self.server.websocket_url.replace("ws:", "wss:")
        async with self.over_nats(pair, device, url=url):
            yield

    @asynccontextmanager
    async def over_mqtt(self, pair: Pair, device: Device) -> AsyncIterator[None]:
        """Log in with the one packet that matters here (MQTT 3.1.1 section 3.1): a bearer's JWT is the password."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.server.ports.mqtt.number, ssl=self.context(pair)
        )
        parts = (device.name, device.name, self.user_jwt(device, bearer=True))
        body = b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"".join(len(p).to_bytes(2, "big") + p.encode() for p in parts)
        writer.write(b"\x10" + bytes([len(body) % 128 | 128, len(body) // 128]) + body)
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00", "accepted"
        try:
            yield
        finally:
            writer.transport.abort()


@pytest.fixture
def authority() -> CertificateAuthority:
    return CertificateAuthority.create()


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture
def server(tmp_path: Path, trust: Trust, authority: CertificateAuthority) -> Iterator[NatsServer]:
    pair, config = authority.issue("server"), trust.config()
    with NatsServer(tmp_path / "nats") as server:
        server.mount(
            {
                "server.conf": config["server.conf"] + TLS.encode(),
                "websocket.conf": TLS.encode(),
                "mqtt.conf": TLS.encode(),
                "server.crt": pair.certificate,
                "server.key": pair.key,
                "ca.crt": authority.pem,
            }
        )
        server.start()
        yield server


@pytest.fixture
async def plant(trust: Trust, server: NatsServer, authority: CertificateAuthority) -> AsyncIterator[Plant]:
    ours = authority.issue("operator")
    tls = ClientTls(authority.pem, ours.certificate, ours.key)
    limits = AccountLimits(jetstream=JetStreamLimits(memory_storage=-1, disk_storage=-1))
    account = jwt.encode(
        AccountClaims(signing_keys=(trust.signer.public,), limits=limits),
        trust.operator_signing,
        subject=trust.account.public,
        issued_at=trust.issued_at,
    )
    async with kept_up([server.url], trust, lambda: tls) as connection:
        servers = Servers(connection)

        async def has_the_account() -> bool:
            await servers.discover()
            return (await servers.push(trust.account.public, account)).complete

        await until(lambda: not connection.problem)
        await wait_until_async(has_the_account)
        one, two = (
            Device(name, authority.issue(name), new_key(KeyType.USER)) for name in ("weather-01", "weather, 02")
        )
        yield Plant(trust, server, authority, connection, servers, one, two)


async def test_devices_with_their_own_certificates_are_not_told_of(plant: Plant) -> None:
    one, two = plant.one, plant.two
    async with plant.over_nats(one.pair, one), plant.over_nats(two.pair, two), plant.over_mqtt(one.pair, one):
        assert await plant.found() == {}


async def test_swapped_certificates_are_let_in_by_the_server_and_found(plant: Plant) -> None:
    one, two = plant.one, plant.two
    async with plant.over_nats(two.pair, one), plant.over_nats(one.pair, two):
        assert await plant.found() == {
            "Device iot/weather-01": (Foreign("CN=weather\\, 02", two.digest, "Device iot/weather, 02"),),
            "Device iot/weather, 02": (Foreign("CN=weather-01", one.digest, "Device iot/weather-01"),),
        }

    async def gone() -> bool:
        return await plant.found() == {}

    await wait_until_async(gone)


@pytest.mark.parametrize("over", [Plant.over_mqtt, Plant.over_websocket], ids=["mqtt", "websocket"])
async def test_it_is_found_however_the_device_connects(
    plant: Plant, over: Callable[[Plant, Pair, Device], AbstractAsyncContextManager[None]]
) -> None:
    one, two = plant.one, plant.two
    async with over(plant, two.pair, one):
        assert await plant.found() == {
            "Device iot/weather-01": (Foreign("CN=weather\\, 02", two.digest, "Device iot/weather, 02"),)
        }


async def test_a_certificate_of_nobody_is_found_too(plant: Plant) -> None:
    stranger = plant.authority.issue("laptop")
    async with plant.over_nats(stranger, plant.one):
        ((found,),) = (await plant.found()).values()

        assert (found.subject, found.owner) == ("CN=laptop", "")


async def test_many_connections_are_read_page_by_page(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iotsec.broker.connection_list._PAGE", 2)
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(plant.over_nats(plant.one.pair, plant.one))
        await stack.enter_async_context(plant.over_nats(plant.one.pair, plant.two))

        assert list(await plant.found()) == ["Device iot/weather, 02"]


async def test_between_two_beats_nothing_is_asked(plant: Plant) -> None:
    bindings = Bindings(plant.connection, issuers=plant.trust.issuers)

    assert await bindings.look(plant.servers.known.keys()) == ()
    assert await bindings.look(plant.servers.known.keys()) is None
