"""A new configuration, followed until every server has it: loaded, refused, served; by servers that really run."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from broker.attendance import watching
from broker.one_account import Trust
from broker.tls_secret import mounted, new_pairs, tls_config

from iotsec.broker.connection import SystemConnection
from iotsec.broker.rollout import Served, loaded, loaded_by, reload, served
from iotsec.decide.rollout import Current, RestartNeeded, Waiting, needs_restart, restart_for, server_rollout
from iotsec.nats.listener_rules import ListenerSettings
from iotsec.nats.server_config import config_digest
from iotsec.nats.tls_config import KeyPair
from testbed.certificates import Authority
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import NatsServer

SERVER_ONLY = ListenerSettings()
MUTUAL = ListenerSettings(verify=True)


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats", leafnodes=True) as server:
        yield server


@asynccontextmanager
async def asking(trust: Trust, server: NatsServer) -> AsyncIterator[tuple[SystemConnection, str]]:
    """A system connection, and the id of the server it goes to."""
    async with watching(trust, server) as watch:
        yield watch.connection, server.monitor("/varz")["server_id"]


def fingerprint(pair: KeyPair) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate.decode())).hexdigest()


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.path)


async def test_a_cluster_is_followed_until_every_server_has_loaded_the_new_configuration(
    tmp_path: Path, trust: Trust, authority: Authority
) -> None:
    listeners = {"mqtt": SERVER_ONLY, "websocket": SERVER_ONLY, "cluster": SERVER_ONLY}
    old, new = (mounted(trust, tls_config(authority, new_pairs(authority), listeners)) for _ in range(2))
    with NatsCluster(tmp_path / "cluster", 3) as cluster:
        cluster.mount(old)
        cluster.start()
        cluster.wait_ready()
        async with watching(trust, cluster.servers[0]) as watch:
            await watch.follow_until(lambda: len(watch.servers.known) == 3)
            before = await loaded(watch.connection, expect=3)
            cluster.servers[0].mount(new)
            cluster.servers[1].mount(new)

            errors = {id_: await reload(watch.connection, id_) for id_ in before}
            after = {server.name: server for server in (await loaded(watch.connection, expect=3)).values()}

            assert {server.digest for server in before.values()} == {config_digest(old)}
            assert set(errors.values()) == {""}
            standing = {name: server_rollout(one, wanted=config_digest(new)) for name, one in after.items()}
            assert standing == {"nats-0": Current(), "nats-1": Current(), "nats-2": Waiting()}
            assert after["nats-0"].loaded_at >= after["nats-0"].started_at > 0
            assert after["nats-0"].ports["mqtt"] == cluster.servers[0].ports.mqtt.number
            assert after["nats-0"].version
            assert len({route["remote_id"] for route in cluster.servers[0].monitor("/routez")["routes"]}) == 2


async def test_the_certificate_that_a_server_serves_is_seen_without_logging_in(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    old, new = new_pairs(authority), new_pairs(authority)
    listeners = dict.fromkeys(("client", "mqtt", "websocket"), SERVER_ONLY)
    server.mount(mounted(trust, tls_config(authority, old, listeners)))
    server.start()
    before = await served(server.tls_url, context=trusting(authority), seconds=5)
    server.mount(mounted(trust, tls_config(authority, new, listeners)))
    server.reload()

    after = [
        await served(url, context=trusting(authority), seconds=5)
        for url in (server.tls_url, server.mqtts_url, server.wss_url)
    ]

    assert before.fingerprint == fingerprint(old["server"])
    assert [(seen.fingerprint, seen.chain_valid, seen.error) for seen in after] == [
        (fingerprint(new["server"]), True, "")
    ] * 3
    assert after[0].server_id == server.monitor("/varz")["server_id"]
    assert after[0].server_name == "nats-0"


async def test_a_server_that_wants_tls_first_is_looked_at_that_way(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    pairs = new_pairs(authority)
    listeners = {"client": ListenerSettings(handshake_first="true")}
    server.mount(mounted(trust, tls_config(authority, pairs, listeners)))
    server.start()

    seen = await served(server.tls_url, context=trusting(authority), handshake_first=True, seconds=5)
    waited = await served(server.tls_url, context=trusting(authority), seconds=0.5)

    assert (seen.fingerprint, seen.server_name) == (fingerprint(pairs["server"]), "nats-0")
    assert waited == Served(error="it does not answer within 0.5 s")


async def test_looking_leaves_no_trace_in_a_servers_log(server: NatsServer, trust: Trust, authority: Authority) -> None:
    listeners = dict.fromkeys(("client", "mqtt", "websocket"), MUTUAL)
    server.mount(mounted(trust, tls_config(authority, new_pairs(authority), listeners)))
    server.start()
    context = trusting(authority)
    own = authority.issue("operator")
    context.load_cert_chain(own.certificate, own.key)

    for url in (server.tls_url, server.mqtts_url, server.wss_url) * 5:
        assert (await served(url, context=context, seconds=5)).error == ""

    server.stop()
    assert "[ERR]" not in server.running.output()


@pytest.mark.parametrize("with_certificate", [True, False])
async def test_a_server_that_wants_a_certificate_shows_its_own_all_the_same(
    server: NatsServer, trust: Trust, authority: Authority, *, with_certificate: bool
) -> None:
    pairs = new_pairs(authority)
    server.mount(mounted(trust, tls_config(authority, pairs, {"client": MUTUAL})))
    server.start()
    context = trusting(authority)
    if with_certificate:
        own = authority.issue("operator")
        context.load_cert_chain(own.certificate, own.key)

    seen = await served(server.tls_url, context=context, seconds=5)

    assert (seen.fingerprint, seen.chain_valid) == (fingerprint(pairs["server"]), True)


async def test_a_server_that_wants_tls_first_and_a_certificate_tells_that_it_misses_one(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    pairs = new_pairs(authority)
    listeners = {"client": ListenerSettings(verify=True, handshake_first="true")}
    server.mount(mounted(trust, tls_config(authority, pairs, listeners)))
    server.start()

    seen = await served(server.tls_url, context=trusting(authority), handshake_first=True, seconds=5)

    assert (seen.fingerprint, seen.chain_valid) == (fingerprint(pairs["server"]), True)
    assert "certificate required" in seen.error


async def test_a_certificate_of_another_ca_is_seen_and_not_believed(
    server: NatsServer, trust: Trust, authority: Authority, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pairs = new_pairs(Authority.create(elsewhere))
    server.mount(mounted(trust, tls_config(authority, pairs, {"client": SERVER_ONLY})))
    server.start()

    seen = await served(server.tls_url, context=trusting(authority), seconds=5)

    assert (seen.fingerprint, seen.chain_valid) == (fingerprint(pairs["server"]), False)
    assert "does not verify" in seen.error
    assert seen.server_name == "nats-0"


async def test_a_server_without_tls_and_one_that_is_not_there_are_told_apart(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    server.mount(trust.config())
    server.start()
    plain = await served(server.url, context=trusting(authority), seconds=5)
    mqtt = await served(server.mqtts_url, context=trusting(authority), seconds=5)
    server.stop()

    gone = await served(server.url, context=trusting(authority), seconds=5)

    assert (plain.server_name, plain.fingerprint, plain.error) == ("nats-0", "", "it speaks no TLS")
    assert mqtt.fingerprint == ""
    assert mqtt.error
    assert gone.error.startswith("it cannot be reached")


async def test_a_refused_reload_tells_why_and_changes_nothing(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    pairs = new_pairs(authority)
    right = mounted(trust, tls_config(authority, pairs, {"mqtt": SERVER_ONLY}))
    server.mount(right)
    server.start()
    async with asking(trust, server) as (connection, id_):
        server.mount({name: content for name, content in right.items() if not name.endswith(".key")})

        error = await reload(connection, id_)

        assert "no such file" in error
        assert needs_restart(error) == ""
        assert (await loaded(connection, expect=1))[id_].digest == config_digest(right)
        assert (await served(server.mqtts_url, context=trusting(authority), seconds=5)).chain_valid


async def test_tls_of_leaf_nodes_is_refused_until_a_restart_and_all_else_with_it(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    pairs = new_pairs(authority)
    server.mount(mounted(trust, tls_config(authority, pairs, {})))
    server.start()
    new = mounted(trust, tls_config(authority, pairs, {"leafnodes": SERVER_ONLY, "mqtt": SERVER_ONLY}))
    async with asking(trust, server) as (connection, id_):
        server.mount(new)

        why = needs_restart(await reload(connection, id_))

        assert "leafnodes" in why
        assert "restart it" in why
        assert not (await served(server.mqtts_url, context=trusting(authority), seconds=5)).fingerprint
    server.stop()
    server.start()
    assert server.monitor("/varz")["metadata"]["iotsec_config"] == config_digest(new)
    assert (await served(server.mqtts_url, context=trusting(authority), seconds=5)).chain_valid


async def test_tls_of_websockets_is_taken_and_not_served_until_a_restart(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    pairs = new_pairs(authority)
    server.mount(mounted(trust, tls_config(authority, pairs, {})))
    server.start()
    files = mounted(trust, tls_config(authority, pairs, {"websocket": SERVER_ONLY}))
    async with asking(trust, server) as (connection, id_):
        server.mount(files)
        assert await reload(connection, id_) == ""
        told = (await loaded(connection, expect=1))[id_]

        unserved = await served(server.wss_url, context=trusting(authority), seconds=5)
        restart = restart_for((), ("websocket",), since=told.loaded_at, servers=(id_,))

        assert told.digest == config_digest(files)
        assert unserved.fingerprint == ""
        assert restart is not None
        assert server_rollout(told, wanted=config_digest(files), restart=restart) == RestartNeeded(restart.why)
    server.stop()
    server.start()
    assert (await served(server.wss_url, context=trusting(authority), seconds=5)).chain_valid


async def test_routes_stay_in_the_clear_until_their_servers_restart(
    tmp_path: Path, trust: Trust, authority: Authority
) -> None:
    pairs = new_pairs(authority)
    with NatsCluster(tmp_path / "cluster", 3) as cluster:
        cluster.mount(mounted(trust, tls_config(authority, pairs, {})))
        cluster.start()
        cluster.wait_ready()
        before = [routes(server) for server in cluster.servers]
        cluster.mount(mounted(trust, tls_config(authority, pairs, {"cluster": SERVER_ONLY})))

        cluster.reload()

        assert [routes(server) for server in cluster.servers] == before
        assert "routes" in getattr(restart_for((), ("cluster",), since=0), "why", "")
        for server in cluster.servers:
            server.stop()
            server.start()
            cluster.wait_ready()
        assert not any(routes(server) & known for server, known in zip(cluster.servers, before, strict=True))


def routes(server: NatsServer) -> set[tuple[str, int]]:
    """The routes of a server, each by whom it leads to and its number."""
    return {(route["remote_id"], route["rid"]) for route in server.monitor("/routez")["routes"]}


async def test_a_pending_change_of_the_operator_holds_up_every_reload_and_no_token_is_told(
    server: NatsServer, trust: Trust, authority: Authority
) -> None:
    server.mount(mounted(trust, tls_config(authority, {}, {})))
    server.start()
    later = Trust(operator=trust.operator, system=trust.system, system_signing=trust.system_signing)
    async with asking(trust, server) as (connection, id_):
        server.mount(mounted(later, tls_config(authority, new_pairs(authority), {"mqtt": SERVER_ONLY})))

        error = await reload(connection, id_)

        assert error == "config reload not supported for TrustedOperators"
        assert "operator JWT" in needs_restart(error)


async def test_no_value_of_a_configuration_is_told(server: NatsServer, trust: Trust, authority: Authority) -> None:
    files = mounted(trust, tls_config(authority, {}, {}))
    server.mount(files)
    server.start()
    async with asking(trust, server) as (connection, id_):
        for line in (
            "default_js_domain: { A: hunter2 }",
            'cluster { routes: ["nats://somebody:hunter2@ nowhere"] }',
            'http_base_path: "/hunter2"',
        ):
            server.mount(files | {"server.conf": files["server.conf"] + line.encode()})

            error = await reload(connection, id_)

            assert error
            assert "hunter2" not in error


async def test_a_server_that_went_answers_no_reload(server: NatsServer, trust: Trust) -> None:
    server.mount(trust.config())
    server.start()
    async with asking(trust, server) as (connection, _):
        asked = asyncio.create_task(reload(connection, "NOBODY"))

        assert await asked == "it does not answer"


def test_what_is_no_answer_is_left_out() -> None:
    found = loaded_by([b"", b"no json", b'{"server": {"id": "N", "name": "x"}, "data": {"start": "long ago"}}'])

    assert (found["N"].digest, found["N"].started_at, found["N"].ports) == ("", 0, {})
