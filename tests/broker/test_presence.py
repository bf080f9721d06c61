"""Who is connected to a real server: heard as it happens, read where it was not heard, and nobody else's invention."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from broker.attendance import watching
from broker.one_account import Trust, new_key

from iotsec.broker.presence import Attendance
from iotsec.decide.advisories import SUBJECTS
from iotsec.nats import creds
from iotsec.nats.keys import KeyType, SigningKey
from testbed.clients import connect_as, is_refused
from testbed.nats_server import NatsServer
from testbed.waiting import until


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture
def server(tmp_path: Path, trust: Trust) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        server.mount(trust.config())
        server.start()
        yield server


async def log_in_raw(server: NatsServer, token: str, key: SigningKey, **options: str) -> asyncio.StreamWriter:
    """Log in with a CONNECT of one's own making; asserts that the server accepts it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports.client.number)
    nonce = json.loads((await reader.readline()).removeprefix(b"INFO "))["nonce"]
    signature = urlsafe_b64encode(key.sign(nonce.encode())).rstrip(b"=").decode()
    connect = {"jwt": token, "sig": signature, "verbose": False, "pedantic": False, "lang": "none", **options}
    writer.write(b"CONNECT " + json.dumps(connect).encode() + b"\r\nPING\r\n")
    assert await reader.readline() == b"PONG\r\n"
    return writer


async def test_who_comes_and_goes_is_heard(trust: Trust, server: NatsServer) -> None:
    device = new_key(KeyType.USER)
    async with watching(trust, server) as watch:
        await watch.follow()

        async with connect_as(server.url, trust.device(device)):
            await until(lambda: watch.connected() == {device.public: 1})
        await until(lambda: watch.connected() == {})

        assert abs(watch.seen(device) - time.time()) < 5


async def test_a_reload_of_the_configuration_is_no_news(trust: Trust, server: NatsServer) -> None:
    device, later = new_key(KeyType.USER), new_key(KeyType.USER)
    async with watching(trust, server) as watch, connect_as(server.url, trust.device(device)):
        await watch.follow()
        await until(lambda: watch.connected() == {device.public: 1})
        watch.news.clear()

        server.reload()

        # What a server tells comes in order: by the time that a later device is seen the reload was told of.
        async with connect_as(server.url, trust.device(later)):
            await until(lambda: later.public in watch.connected())
            assert watch.connected() == {device.public: 1, later.public: 1}
        assert {user.key for user in watch.news} == {later.public}


async def test_who_was_there_before_is_read_page_by_page(
    trust: Trust, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iotsec.broker.connection_list._PAGE", 2)
    devices = [new_key(KeyType.USER) for _ in range(5)]
    async with watching(trust, server) as watch, AsyncExitStack() as stack:
        for device in devices:
            await stack.enter_async_context(connect_as(server.url, trust.device(device)))

        await watch.follow()

        assert watch.connected() == {device.public: 1 for device in devices}


async def test_what_was_missed_while_nats_was_away_is_read(trust: Trust, server: NatsServer) -> None:
    gone, back = new_key(KeyType.USER), new_key(KeyType.USER)
    async with watching(trust, server) as watch:
        await watch.follow()
        async with connect_as(server.url, trust.device(gone)):
            await until(lambda: watch.connected() == {gone.public: 1})
            server.kill()
            await until(lambda: bool(watch.connection.problem))
        server.start()
        async with connect_as(server.url, trust.device(back)):
            await until(lambda: not watch.connection.problem)
            await watch.follow_until(lambda: True)

            assert watch.connected() == {back.public: 1}


async def test_renewing_our_own_credentials_misses_nobody(trust: Trust, server: NatsServer) -> None:
    device = new_key(KeyType.USER)
    async with watching(trust, server, renew_seconds=0.1) as watch:
        await watch.follow()
        before = watch.connection.continuity
        for _ in range(20):
            async with connect_as(server.url, trust.device(device)):
                await until(lambda: watch.connected() == {device.public: 1}, within=2)
            await until(lambda: watch.connected() == {}, within=2)

        assert watch.connection.continuity == before
        assert server.monitor("/varz")["total_connections"] > 20 + 3


@pytest.mark.parametrize("field", ["user", "nkey"])
async def test_a_device_cannot_appear_as_another(trust: Trust, server: NatsServer, field: str) -> None:
    device, victim = new_key(KeyType.USER), new_key(KeyType.USER)
    token = trust.user_jwt(device, trust.account, trust.signer, "weather-01")
    async with watching(trust, server) as watch:
        await watch.follow()
        writer = await log_in_raw(server, token, device, **{field: victim.public})
        await until(lambda: bool(watch.connected()))
        listed = server.monitor(f"/connz?auth=1&acc={trust.account.public}")["connections"]
        afresh = Attendance(watch.connection, issuers=trust.issuers, changed=lambda _: None, clock=lambda: 0)
        await afresh.follow(watch.servers.known.keys())
        writer.close()

        assert [entry["authorized_user"] for entry in listed] == [victim.public], "the server shows what it was told"
        assert watch.connected() == {device.public: 1}
        assert {user.key for user in afresh} == {device.public}


async def test_a_stranger_marks_nobody(trust: Trust, server: NatsServer) -> None:
    victim = new_key(KeyType.USER)
    async with watching(trust, server) as watch:
        await watch.follow()

        assert await is_refused(server.url, trust.device(victim, signer=new_key(KeyType.ACCOUNT)))

        await until(lambda: watch.attendance.strangers.counted() == {"127.0.0.1": 1})
        assert list(watch.attendance) == []


async def test_who_shows_a_jwt_of_ours_and_has_not_its_key_is_refused_and_told_of(
    trust: Trust, server: NatsServer
) -> None:
    device, thief = new_key(KeyType.USER), new_key(KeyType.USER)
    token = trust.user_jwt(device, trust.account, trust.signer, "weather-01")
    stolen = (
        creds.format_creds(token, device).decode().replace(device.seed.reveal().decode(), thief.seed.reveal().decode())
    )
    async with watching(trust, server) as watch:
        await watch.follow()

        assert await is_refused(server.url, stolen)

        await until(lambda: bool(watch.news))
        (user,) = watch.attendance
        denied = watch.attendance.of(user).denied
        assert user.key == device.public
        assert denied is not None
        assert (denied.reason, denied.host) == ("Authentication Failure", "127.0.0.1")
        assert watch.connected() == {}


async def test_a_flood_of_strangers_is_counted_and_not_read(trust: Trust, server: NatsServer) -> None:
    body = json.dumps({"server": {"id": "N"}, "client": {"id": 1, "host": "10.0.0.7"}}).encode()
    async with watching(trust, server) as watch:
        for _ in range(1000):
            watch.attendance.heard("$SYS.SERVER.N.CLIENT.AUTH.ERR", body)

        counted = watch.attendance.strangers.counted()
        assert sum(counted.values()) == 1000
        assert counted["others"] > counted["10.0.0.7"]


async def test_nobody_listens_any_more_once_it_is_switched_off(trust: Trust, server: NatsServer) -> None:
    def listens() -> bool:
        ours = server.monitor("/connz?subs=1&auth=1&acc=" + trust.system.public)["connections"]
        return any(subject in SUBJECTS for one in ours for subject in one.get("subscriptions_list", ()))

    async with watching(trust, server) as watch:
        assert not listens()
        await watch.follow()
        await until(listens)

        await watch.attendance.leave()

        await until(lambda: not listens())
