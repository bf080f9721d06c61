"""The files that switch TLS on: real servers take them, renew by them, and never serve halves of two generations."""

import hashlib
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from broker.one_account import Trust
from broker.tls_secret import mounted as secret_of
from broker.tls_secret import new_pairs, tls_config

from iotsec.nats.listener_rules import LISTENERS, ListenerSettings
from iotsec.nats.server_config import METADATA_KEY, config_digest
from iotsec.nats.tls_config import KeyPair, TlsConfig, config_files
from testbed.certificates import Authority
from testbed.nats_config import Ports
from testbed.nats_server import ConfigRefusedError, NatsServer
from testbed.processes import ProcessFailedError

EVERYWHERE = {listener: ListenerSettings() for listener in LISTENERS}
TRUST = Trust()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """One with every listener there is."""
    ports = Ports()
    with NatsServer(tmp_path / "nats", ports=ports, routes=[ports.cluster], leafnodes=True, gateways={}) as server:
        yield server


def tls(
    authority: Authority, pairs: Mapping[str, KeyPair], listeners: Mapping[str, ListenerSettings] = EVERYWHERE
) -> TlsConfig:
    return tls_config(authority, pairs, listeners)


def mounted(config: TlsConfig) -> dict[str, bytes]:
    return secret_of(TRUST, config)


def certificate_at(server: NatsServer, listener: str) -> bytes:
    """The certificate that a listener shows, DER; client and leaf node listeners tell who they are first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    port = getattr(server.ports, listener).number
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        if listener in ("client", "leafnodes"):
            assert b'"tls_required":true' in connection.recv(65536)
        with context.wrap_socket(connection) as secured:
            return secured.getpeercert(binary_form=True) or b""


def test_every_listener_serves_the_certificate_of_its_group(authority: Authority, server: NatsServer) -> None:
    pairs = new_pairs(authority)
    server.mount(mounted(tls(authority, pairs)))
    server.start()

    shown = {listener: certificate_at(server, listener) for listener in ("client", "websocket", "mqtt", "leafnodes")}

    assert set(shown.values()) == {ssl.PEM_cert_to_DER_cert(pairs["server"].certificate.decode())}


@pytest.mark.parametrize("listener", ["cluster", "gateway"])
def test_between_servers_a_peer_without_certificate_comes_to_nothing(
    authority: Authority, server: NatsServer, listener: str
) -> None:
    server.mount(mounted(tls(authority, new_pairs(authority))))
    server.start()
    context = ssl.create_default_context(cafile=authority.path)

    address = ("127.0.0.1", getattr(server.ports, listener).number)

    with (
        socket.create_connection(address, timeout=5) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
        pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"),
    ):
        secured.recv(1)


def test_without_listeners_there_is_nothing_but_empty_files(authority: Authority) -> None:
    config = tls(authority, {}, {})

    assert config.server == ""
    assert set(config.files) == {f"{name}.conf" for name in LISTENERS} - {"client.conf"}
    assert set(config.files.values()) == {b""}


def test_a_renewed_certificate_is_served_after_a_reload_to_those_who_come(
    authority: Authority, server: NatsServer
) -> None:
    server.mount(mounted(tls(authority, new_pairs(authority))))
    server.start()
    before = certificate_at(server, "mqtt")

    server.mount(mounted(tls(authority, new_pairs(authority))))
    server.reload()

    assert certificate_at(server, "mqtt") != before
    assert certificate_at(server, "client") == certificate_at(server, "mqtt")


def test_a_server_that_reads_while_files_are_swapped_goes_on_with_the_old_pair(
    authority: Authority, server: NatsServer
) -> None:
    old, new = (mounted(tls(authority, new_pairs(authority))) for _ in range(2))
    server.mount(old)
    server.start()
    before = certificate_at(server, "client")
    half = {name: content for name, content in new.items() if not name.endswith(".key")}

    for torn in (
        half | {name: old[name] for name in old if name.endswith(".key")},
        new | {"server.conf": old["server.conf"]},
    ):
        server.mount(torn)
        with pytest.raises(ConfigRefusedError, match="no such file"):
            server.reload()

    assert certificate_at(server, "client") == before


def test_files_are_named_by_what_is_in_them(authority: Authority) -> None:
    pairs = new_pairs(authority)

    files = tls(authority, pairs).files

    digest = hashlib.sha256(pairs["server"].certificate).hexdigest()[:12]
    assert files[f"server-{digest}.crt"] == pairs["server"].certificate
    assert files[f"server-{digest}.key"] == pairs["server"].key
    assert files == tls(authority, pairs).files
    assert not files.keys() & tls(authority, new_pairs(authority)).files.keys() - {
        name for name in files if name.endswith(".conf") or name.startswith("ca-")
    }


def test_only_what_listeners_name_is_there(authority: Authority) -> None:
    files = tls(authority, new_pairs(authority), {"mqtt": ListenerSettings()}).files

    assert {name.split("-")[0] for name in files if not name.endswith(".conf")} == {"server"}


def test_the_charts_reloader_is_given_no_files_to_follow_that_will_go(authority: Authority) -> None:
    config = tls(authority, new_pairs(authority))
    texts = [config.server, *(text.decode() for name, text in config.files.items() if name.endswith(".conf"))]

    lines = [line.strip() for text in texts for line in text.splitlines()]

    assert not [line for line in lines if line.startswith(("cert_file", "key_file", "ca_file", "include"))]


def test_the_digest_tells_every_change_but_that_of_itself(authority: Authority) -> None:
    pairs = new_pairs(authority)
    files = mounted(tls(authority, pairs))
    other_trust = files | {"server.conf": files["server.conf"] + b"# another operator\n"}
    swapped = files | {"mqtt.conf": files["websocket.conf"] + b"\n", "websocket.conf": b""}

    assert config_digest(files) == config_digest(mounted(tls(authority, pairs)))
    assert config_digest(files | {"operator.jwt": b"anything"}) == config_digest(files)
    digests = {
        config_digest(changed)
        for changed in (files, other_trust, swapped, mounted(tls(authority, new_pairs(authority))))
    }
    assert len(digests) == 4
    assert all(len(digest) == 12 for digest in digests)


def test_a_server_tells_the_digest_beside_what_its_owner_wants_told(authority: Authority, server: NatsServer) -> None:
    files = mounted(tls(authority, {}, {}))
    server.mount(files | {"server.conf": files["server.conf"] + b'server_metadata: { site: "lab" }\n'})
    server.start()

    assert server.monitor("/varz")["metadata"] == {METADATA_KEY: config_digest(files), "site": "lab"}


def test_stapling_keeps_a_server_from_starting_that_knows_no_responder_though_a_reload_takes_it(
    authority: Authority, server: NatsServer
) -> None:
    given = {
        "certificates": new_pairs(authority),
        "bundle": authority.path.read_bytes(),
        "listeners": {"client": ListenerSettings()},
    }
    server.mount(mounted(config_files(**given)))  # type: ignore[arg-type]
    server.start()
    server.mount(mounted(config_files(**given, ocsp_stapling=True)))  # type: ignore[arg-type]

    server.reload()

    assert certificate_at(server, "client")
    server.stop()
    with pytest.raises(ProcessFailedError, match="no available ocsp servers"):
        server.start()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"listeners": {"mqtt": ListenerSettings(curves=("P-256",))}}, "mqtt: curve P-256 is unknown"),
        ({"certificates": {}}, "client: there is no certificate for it"),
        ({"bundle": b""}, "cluster: there is no CA to verify by"),
        ({"mount_path": "etc/nats"}, "write an absolute path"),
        ({"mount_path": '/etc/nats"\nport: 1'}, "write an absolute path"),
    ],
)
def test_what_would_not_start_a_server_is_refused(authority: Authority, change: dict[str, object], words: str) -> None:
    given = {"certificates": new_pairs(authority), "bundle": authority.path.read_bytes(), "listeners": EVERYWHERE}

    with pytest.raises(ValueError, match=words):
        config_files(**(given | change))  # type: ignore[arg-type]


def test_files_may_be_mounted_elsewhere(authority: Authority, server: NatsServer) -> None:
    config = config_files(
        certificates=new_pairs(authority),
        bundle=authority.path.read_bytes(),
        listeners=EVERYWHERE,
        mount_path="/nats/iot",
    )
    server.mount(mounted(config), pod_path="/nats/iot")
    server.start()

    assert certificate_at(server, "client")


def test_no_key_shows_in_a_repr(authority: Authority) -> None:
    pairs = new_pairs(authority)

    shown = f"{pairs}{tls(authority, pairs)}"

    assert "PRIVATE KEY" not in shown
