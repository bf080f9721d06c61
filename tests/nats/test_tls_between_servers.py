"""Between servers a certificate of the CA is not enough: who is no server comes in by no route and no gateway."""

import asyncio
import json
import ssl
import time
from pathlib import Path

import pytest
from broker.one_account import Trust
from broker.tls_secret import mounted
from x509.pki import DAY, leaf, root

from iotsec.nats.listener_rules import LISTENERS, ListenerSettings
from iotsec.nats.tls_config import KeyPair, config_files
from iotsec.x509.keys import KeyType, generate
from iotsec.x509.names import Names, Usage
from testbed.nats_cluster import NatsCluster
from testbed.nats_config import Ports
from testbed.nats_server import NatsServer

SERVERS = "spiffe://plant.iot/ns/iot/hub/plant/routes"
HERE = ("127.0.0.1",)
TRUST = Trust()
THIEF = f"N{'B' * 55}"


class Authority:
    """One CA for all, as that of a Hub is."""

    def __init__(self) -> None:
        self._now = int(time.time())
        self._ca = root(now=self._now, expires_at=self._now + DAY)
        self.bundle = self._ca.root

    def issue(self, names: Names, usage: Usage) -> KeyPair:
        key = generate(KeyType())
        return KeyPair(leaf(self._ca, key, names=names, usage=usage, now=self._now), key.to_pem())

    def files(self, *, peer: str = SERVERS) -> dict[str, bytes]:
        """What servers mount."""
        server = self.issue(Names("server", ip_addresses=HERE), Usage.SERVER)
        routes = self.issue(Names("plant-routes.iot", ip_addresses=HERE, uris=(SERVERS,)), Usage.PEER)
        config = config_files(
            certificates={"server": server, "routes": routes},
            bundle=self.bundle,
            listeners=dict.fromkeys(LISTENERS, ListenerSettings()),
            peer=peer,
        )
        return mounted(TRUST, config)


@pytest.fixture
def authority() -> Authority:
    return Authority()


async def is_let_in(port: int, authority: Authority, pair: KeyPair, directory: Path) -> bool:
    """Log in as a server does with a certificate: a route is let in that gets an answer to its PING."""
    certificate, key = directory / "tls.crt", directory / "tls.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    context = ssl.create_default_context(cadata=authority.bundle.decode())
    context.load_cert_chain(certificate, key)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1")
    try:
        info = json.loads((await reader.readline()).removeprefix(b"INFO "))
        said = ("version", "proto", "host", "headers", "cluster", "gateway")
        told = {part: info[part] for part in said if part in info}
        connect = {"name": THIEF, "cluster": info.get("cluster", ""), "gateway": info.get("gateway", ""), "lnoc": True}
        me = {**told, "server_id": THIEF, "server_name": "thief", "port": 1, "tls_required": True}
        writer.write(f"CONNECT {json.dumps(connect)}\r\nINFO {json.dumps(me)}\r\nPING\r\n".encode())
        answer = b""
        async with asyncio.timeout(5):
            while b"PONG" not in answer and (more := await reader.read(65536)):
                answer += more
        return b"PONG" in answer
    finally:
        writer.transport.abort()


def test_servers_know_each_other_by_it_when_they_start_and_when_it_comes_by_a_reload(
    authority: Authority, tmp_path: Path
) -> None:
    with NatsCluster(tmp_path, 3) as cluster:
        cluster.mount(authority.files(peer=""))
        cluster.start()
        cluster.wait_ready()

        cluster.mount(authority.files())
        cluster.reload()
        cluster.wait_ready()
        last = cluster.servers[-1]
        last.stop()
        last.start()

        cluster.wait_ready()


@pytest.mark.parametrize("listener", ["cluster", "gateway"])
async def test_whoever_has_the_certificate_of_an_identity_is_no_server_whatever_names_he_asked_for(
    authority: Authority, tmp_path: Path, listener: str
) -> None:
    device = Names("pump", ("plant-routes.iot", "localhost"), HERE, ("spiffe://plant.iot/ns/iot/device/pump",))
    ports = Ports()
    with NatsServer(tmp_path / "nats", ports=ports, routes=[ports.cluster], gateways={}) as server:
        server.mount(authority.files())
        server.start()
        port = getattr(ports, listener).number

        assert not await is_let_in(port, authority, authority.issue(device, Usage.CLIENT), tmp_path)


async def test_without_it_any_certificate_of_the_ca_makes_a_server(authority: Authority, tmp_path: Path) -> None:
    """So nats-server has it, and so it is proven that the attack would be one."""
    with NatsCluster(tmp_path / "nats", 1) as cluster:
        cluster.mount(authority.files(peer=""))
        cluster.start()
        device = authority.issue(Names("pump"), Usage.CLIENT)

        assert await is_let_in(cluster.servers[0].ports.cluster.number, authority, device, tmp_path)
