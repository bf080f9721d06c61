"""What lies on the volumes of servers that encrypt, what of it survives another key, and what their logs tell."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker.attendance import watching
from broker.storing_server import (
    ACKED,
    PLAIN,
    StoringTrust,
    acknowledged,
    empty_volume,
    environment,
    files_with,
    readable,
    start,
    store,
)
from nats.js.errors import NotFoundError

from iotsec.broker.jetstream_keys import jetstream_keys, keys_in
from iotsec.decide.encryption_at_rest import EncryptionState, advanced, brought_up
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import ConfigRefusedError, NatsServer, validate
from testbed.processes import ProcessFailedError

THEFT = "after-the-theft"


def entropy() -> bytes:
    return os.urandom(32)


@pytest.fixture
def trust() -> StoringTrust:
    return StoringTrust()


@pytest.fixture
def state() -> EncryptionState:
    return brought_up(None, cipher="ChaCha", token="", entropy=entropy)


@pytest.fixture
def cluster(tmp_path: Path, trust: StoringTrust) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path / "cluster", 3, interval="2s") as cluster:
        cluster.mount(trust.encrypting(None))
        yield cluster


def replaced(state: EncryptionState, *, servers: int) -> EncryptionState:
    """The state after a key was asked for."""
    names = (f"nats-{number}" for number in range(servers))
    return advanced(state, token=THEFT, servers=dict.fromkeys(names, True), entropy=entropy)


async def filled(server: NatsServer, trust: StoringTrust, state: EncryptionState | None) -> None:
    """Start a server and have it store twenty messages."""
    server.mount(trust.encrypting(state))
    start(server, state, peers=0)
    async with watching(trust, server):
        await store(server, trust.member(), 20)


def restart(server: NatsServer, trust: StoringTrust, state: EncryptionState | None, *, peers: int | None = 0) -> None:
    server.stop()
    server.mount(trust.encrypting(state))
    start(server, state, peers=peers)


@pytest.mark.parametrize("cipher", ["ChaCha", "AES"])
async def test_what_a_thief_of_the_volume_reads_is_gone_after_encryption_was_switched_on(
    server: NatsServer, trust: StoringTrust, cipher: str
) -> None:
    state = brought_up(None, cipher="AES" if cipher == "AES" else "ChaCha", token="", entropy=entropy)
    await filled(server, trust, None)
    assert files_with(server, PLAIN)

    restart(server, trust, state)

    assert files_with(server, PLAIN) == []
    assert files_with(server, state.key.encode()) == []
    assert (await readable(server, trust.member()), await acknowledged(server, trust.member())) == (20, ACKED)


async def test_a_stolen_volume_is_worth_nothing_without_the_key(
    server: NatsServer, trust: StoringTrust, state: EncryptionState
) -> None:
    await filled(server, trust, state)
    thief = brought_up(None, cipher="ChaCha", token="", entropy=entropy)

    for key in (thief, None):
        restart(server, trust, key, peers=None)
        assert not server.healthy
        with pytest.raises(NotFoundError):
            await readable(server, trust.member())

    restart(server, trust, state)
    assert await readable(server, trust.member()) == 20


async def test_another_cipher_keeps_messages_and_consumers(
    server: NatsServer, trust: StoringTrust, state: EncryptionState
) -> None:
    await filled(server, trust, state)

    restart(server, trust, brought_up(state, cipher="AES", token="", entropy=entropy))

    assert (await readable(server, trust.member()), await acknowledged(server, trust.member())) == (20, ACKED)


async def test_a_server_alone_keeps_its_messages_with_another_key_and_loses_its_consumers(
    server: NatsServer, trust: StoringTrust, state: EncryptionState
) -> None:
    await filled(server, trust, state)
    moving = replaced(state, servers=1)

    restart(server, trust, moving)

    assert await readable(server, trust.member()) == 20
    with pytest.raises(NotFoundError):
        await acknowledged(server, trust.member())
    settled = advanced(moving, token=THEFT, servers={"nats-0": True}, entropy=entropy)
    restart(server, trust, settled)
    assert await readable(server, trust.member()) == 20, "nothing is left of the former key"


async def test_a_cluster_gets_another_key_with_empty_volumes_one_by_one_and_loses_nothing(
    cluster: NatsCluster, trust: StoringTrust, state: EncryptionState
) -> None:
    cluster.start()
    cluster.wait_ready()
    first, *others = cluster.servers
    async with watching(trust, first) as watch:
        await watch.push_everywhere(servers=3)
        await store(first, trust.member(), 20, replicas=3)
    for server in cluster.servers:
        restart(server, trust, state, peers=2)
    assert not any(files_with(server, PLAIN) for server in cluster.servers)

    moving = replaced(state, servers=3)
    for server in cluster.servers:
        server.stop()
        empty_volume(server)
        start(server, moving, peers=2)

    assert (await readable(first, trust.member()), await acknowledged(first, trust.member())) == (20, ACKED)
    for server in others:
        server.stop()
        with environment(state.to_data()), pytest.raises(ProcessFailedError):
            server.start()  # the stolen key opens no volume any more


async def test_a_server_of_a_cluster_that_kept_its_volume_does_not_start_with_another_key_and_spoils_nothing(
    cluster: NatsCluster, trust: StoringTrust, state: EncryptionState
) -> None:
    cluster.mount(trust.encrypting(state))
    with environment(state.to_data()):
        cluster.start()
    cluster.wait_ready()
    first, second, _ = cluster.servers
    async with watching(trust, first) as watch:
        await watch.push_everywhere(servers=3)
        await store(first, trust.member(), 20, replicas=3)
    second.stop()

    with pytest.raises(ProcessFailedError):
        start(second, replaced(state, servers=3))

    start(second, state, peers=2)
    assert (await readable(second, trust.member()), await acknowledged(second, trust.member())) == (20, ACKED)


async def test_servers_tell_the_key_they_were_started_with_whatever_the_secret_holds_by_now(
    server: NatsServer, trust: StoringTrust, state: EncryptionState
) -> None:
    moving = replaced(state, servers=1)
    server.mount(trust.encrypting(None))
    start(server, None)
    async with watching(trust, server) as watch:
        assert await jetstream_keys(watch.connection, expect=1) == {"nats-0": ""}

    restart(server, trust, state)
    with environment(moving.to_data()):
        server.reload()
        async with watching(trust, server) as watch:
            assert await jetstream_keys(watch.connection, expect=1) == {"nats-0": state.loaded_id}

    restart(server, trust, moving)
    async with watching(trust, server) as watch:
        assert await jetstream_keys(watch.connection, expect=1) == {"nats-0": moving.loaded_id}
    assert server.monitor("/varz")["metadata"].keys() == {"zone", "iotsec_config", "iotsec_jetstream_key"}


def test_a_reload_writes_keys_into_the_log_where_the_configuration_holds_them_and_never_where_it_names_them(
    server: NatsServer, trust: StoringTrust, state: EncryptionState
) -> None:
    moving = replaced(state, servers=1)
    files = trust.config()
    server.mount(files | {"jetstream.conf": f"key: {state.key}\n".encode()})
    server.start()
    server.mount(files | {"jetstream.conf": f"key: {moving.key}\nprev_key: {state.key}\n".encode()})
    with pytest.raises(ConfigRefusedError) as caught:
        server.reload()
    assert state.key in str(caught.value)
    assert moving.key in str(caught.value)

    server.stop()
    server.log.unlink()
    server.mount(trust.encrypting(state))
    start(server, state)
    with environment(moving.to_data()):
        server.mount(trust.encrypting(moving))
        server.reload()

    log = server.log.read_text()
    assert not any(key in log for key in (state.key, moving.key))


def test_a_server_without_the_key_in_its_environment_does_not_start_and_says_why(
    server: NatsServer, trust: StoringTrust, state: EncryptionState
) -> None:
    server.mount(trust.encrypting(state))

    with pytest.raises(ConfigRefusedError, match="variable reference for 'IOTSEC_JETSTREAM"):
        validate(server.config)


def test_servers_of_one_name_have_what_both_have() -> None:
    def answer(key: str) -> bytes:
        body = {"server": {"id": "N", "name": "n"}, "data": {"metadata": {"iotsec_jetstream_key": key}}}
        return json.dumps(body).encode()

    assert keys_in([answer("k1"), answer("k1")]) == {"n": "k1"}
    assert keys_in([answer("k1"), answer("k2")]) == {"n": ""}
    assert keys_in([b'{"server": {"id": "N", "name": "n"}, "data": null}', b""]) == {"n": ""}
