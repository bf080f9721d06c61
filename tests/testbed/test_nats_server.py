import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from testbed.certificates import Authority
from testbed.mounts import mount
from testbed.nats_cluster import NatsCluster
from testbed.nats_config import Ports
from testbed.nats_server import ConfigRefusedError, NatsServer, validate
from testbed.waiting import wait_until

ANONYMOUS = b"CONNECT {}\r\nPING\r\n"


async def test_it_serves_both_listeners_and_refuses_who_has_no_credentials(
    tmp_path: Path, secret: dict[str, bytes]
) -> None:
    with NatsServer(tmp_path) as server:
        server.mount(secret)
        server.start()
        server.wait_ready()
        with (
            socket.create_connection(("127.0.0.1", server.ports.client.number)) as client,
            client.makefile("rb") as answers,
        ):
            assert answers.readline().startswith(b"INFO ")
            client.sendall(ANONYMOUS)
            assert b"Authorization Violation" in answers.readline()
        async with aiohttp.ClientSession() as session, session.ws_connect(server.websocket_url) as client:
            assert (await client.receive_bytes()).startswith(b"INFO ")
            await client.send_bytes(ANONYMOUS)
            assert b"Authorization Violation" in await client.receive_bytes()


def test_it_keeps_its_address_and_its_accounts_through_a_crash_until_they_are_wiped(
    tmp_path: Path, secret: dict[str, bytes]
) -> None:
    with NatsServer(tmp_path) as server:
        server.mount(secret)
        before = server.url
        server.start()
        assert list((tmp_path / "resolver").glob("**/*.jwt"))
        server.kill()
        assert not server.alive
        server.start()
        assert server.url == before
        with pytest.raises(RuntimeError, match="stop the server"):
            server.wipe()
        server.stop()
        server.wipe()
        assert not (tmp_path / "resolver").exists()


def test_a_reload_takes_the_mounted_secret_or_says_why_not(tmp_path: Path, secret: dict[str, bytes]) -> None:
    with NatsServer(tmp_path) as server:
        server.mount(secret)
        server.start()
        server.mount(secret | {"server.conf": secret["server.conf"] + b"\nmax_payload: 1000"})
        server.reload()
        assert server.monitor("/varz")["max_payload"] == 1000
        server.mount(secret | {"server.conf": b"nonsense {"})
        with pytest.raises(ConfigRefusedError, match="Unexpected EOF"):
            server.reload()
        with pytest.raises(ConfigRefusedError, match="Unexpected EOF"):
            validate(server.config)
        assert server.alive


def test_a_cluster_forms_and_takes_a_lost_member_back(tmp_path: Path, secret: dict[str, bytes]) -> None:
    with NatsCluster(tmp_path, 3) as cluster:
        cluster.mount(secret)
        cluster.start()
        cluster.wait_ready()
        lost = cluster.servers[1]
        lost.kill()
        lost.wipe()
        lost.start()
        cluster.wait_ready()
        assert len({server.monitor("/varz")["server_name"] for server in cluster.servers}) == 3


def test_files_may_be_named_as_in_a_pod(tmp_path: Path, secret: dict[str, bytes]) -> None:
    files = Authority.create(tmp_path).issue("nats-0")
    tls = b"\ntls { cert_file: /etc/nats-iotsec/tls.crt, key_file: /etc/nats-iotsec/tls.key }"
    pair = {"tls.crt": files.certificate.read_bytes(), "tls.key": files.key.read_bytes()}
    with NatsServer(tmp_path) as server:
        server.mount(secret | pair | {"server.conf": secret["server.conf"] + tls})
        server.start()
        assert server.monitor("/varz")["tls_required"]


async def test_with_tls_each_listener_is_reached_by_its_url(tmp_path: Path, secret: dict[str, bytes]) -> None:
    authority = Authority.create(tmp_path)
    files = authority.issue("nats-0")
    tls = b"\ntls { cert_file: /etc/nats-iotsec/tls.crt, key_file: /etc/nats-iotsec/tls.key }\n"
    pair = {"tls.crt": files.certificate.read_bytes(), "tls.key": files.key.read_bytes()}
    confs = {"server.conf": secret["server.conf"] + tls, "websocket.conf": tls, "mqtt.conf": tls}
    context = ssl.create_default_context(cafile=authority.path)
    with NatsServer(tmp_path / "nats") as server:
        server.mount(secret | pair | confs)
        server.start()
        async with aiohttp.ClientSession() as session, session.ws_connect(server.wss_url, ssl=context) as client:
            assert b'"tls_required":true' in await client.receive_bytes()
        mqtt = urlsplit(server.mqtts_url)
        with (
            socket.create_connection((mqtt.hostname, mqtt.port)) as connection,
            context.wrap_socket(connection, server_hostname=mqtt.hostname) as secured,
        ):
            assert secured.version() == "TLSv1.3"


def test_clusters_find_each_other_by_their_gateways(tmp_path: Path, secret: dict[str, bytes]) -> None:
    places = {name: Ports() for name in ("east", "west")}
    gateways = {name: ports.gateway for name, ports in places.items()}
    east, west = (
        NatsServer(
            tmp_path / name, name=name, ports=ports, routes=[ports.cluster], cluster_name=name, gateways=gateways
        )
        for name, ports in places.items()
    )
    with east, west:
        for server in (east, west):
            server.mount(secret | {"gateway.conf": b""})
            server.start()

        assert wait_until(lambda: set(east.monitor("/gatewayz").get("outbound_gateways", ())) == {"west"})


def test_a_mount_holds_exactly_its_files(tmp_path: Path) -> None:
    mount(tmp_path, {"a": b"1", "b": b"1"})
    mount(tmp_path, {"b": b"2", "c": b"2"})
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    assert files == {"b": b"2", "c": b"2"}
    assert len(list(tmp_path.glob("..version-*"))) == 1
