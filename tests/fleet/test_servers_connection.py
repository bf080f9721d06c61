"""The operator's own connection to the servers: renewed before it must be, made again, and nothing left open."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from iotsec.broker.connection import SystemConnection, UnavailableError
from iotsec.decide.seeds import TrustSeeds, completed
from iotsec.decide.server_trust import nats_config
from iotsec.decide.trust import TrustRoot, trust_root
from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey
from testbed.nats_server import NatsServer
from testbed.ports import Port
from testbed.waiting import until, wait_until_async

PING = "$SYS.REQ.SERVER.PING"


def make_root() -> TrustRoot:
    """The keys of a Hub."""
    seeds = completed(TrustSeeds({}, {}), roles={"iot": ()}, entropy=lambda: os.urandom(32), now=1_700_000_000)
    return trust_root(seeds, roles={"iot": ()})


@pytest.fixture
def root() -> TrustRoot:
    return make_root()


@pytest.fixture
def server(tmp_path: Path, root: TrustRoot) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        server.mount(nats_config(root, name="iot/plant", existing={}, now=1_700_000_000))
        server.start()
        yield server


def minter(root: TrustRoot, *, seconds: int = 3600) -> Callable[[], bytes]:
    """Credentials of a system-account user that end so soon."""

    def mint() -> bytes:
        key = SigningKey.generate(KeyType.USER, os.urandom(32))
        now = int(time.time())
        token = jwt.encode(
            UserClaims(issuer_account=root.system.public, limits=UserPermissionLimits()),
            root.system_signing[-1],
            subject=key.public,
            issued_at=now,
            expires_at=now + seconds,
        )
        return creds.format_creds(token, key)

    return mint


def refused(root: TrustRoot) -> Callable[[], bytes]:
    """Credentials signed by a key that the system account does not name: refused at once."""
    return minter(replace(root, system_signing=make_root().system_signing))


class Told:
    """What a connection told of itself."""

    def __init__(self) -> None:
        self.changes = 0
        self.heard: list[str] = []

    def changed(self) -> None:
        self.changes += 1


@asynccontextmanager
async def kept_up(
    servers: list[str], mint: Callable[[], bytes], *, renew_seconds: float = 1800, told: Told | None = None
) -> AsyncIterator[SystemConnection]:
    """A connection that is being kept up."""
    told = told or Told()
    connection = SystemConnection(
        hub="iot/plant",
        servers=lambda: tuple(servers),
        mint=mint,
        changed=told.changed,
        heard=lambda subject, _: told.heard.append(subject),
        renew_seconds=renew_seconds,
        retry_seconds=(0.1,),
    )
    task = asyncio.create_task(connection.run())
    try:
        yield connection
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answers(connection: SystemConnection) -> int:
    """How many servers answer a ping."""
    return len(await connection.gather(PING, b"", expect=1, seconds=2))


async def is_answered(connection: SystemConnection) -> bool:
    """Whether there is a connection, and a server that answers over it."""
    try:
        return await answers(connection) == 1
    except UnavailableError:
        return False


def logins(server: NatsServer) -> int:
    """How many connections the server has had."""
    return int(server.monitor("/varz").get("total_connections", 0))


def ended_by_expiry(server: NatsServer) -> bool:
    """Whether the server ever ended a connection because its credentials had."""
    closed = server.monitor("/connz?state=closed").get("connections", ())
    return any("Expired" in connection["reason"] for connection in closed)


async def test_credentials_are_renewed_before_they_end_and_no_request_notices(
    root: TrustRoot, server: NatsServer
) -> None:
    told = Told()
    async with kept_up([server.url], minter(root, seconds=2), renew_seconds=0.6, told=told) as connection:
        await until(lambda: not connection.problem)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            assert await answers(connection) == 1

        assert logins(server) >= 6
        await until(lambda: len(server.monitor("/connz").get("connections", ())) == 1)
    assert told.changes == 1
    assert not ended_by_expiry(server)


async def test_credentials_that_end_all_the_same_make_a_new_connection(root: TrustRoot, server: NatsServer) -> None:
    async with kept_up([server.url], minter(root, seconds=1)) as connection:
        await until(lambda: not connection.problem)
        await until(lambda: ended_by_expiry(server))

        await wait_until_async(partial(is_answered, connection), within=5)
        assert logins(server) >= 2


async def test_a_request_under_way_outlives_the_renewal(root: TrustRoot, server: NatsServer) -> None:
    async with kept_up([server.url], minter(root), renew_seconds=0.2) as connection:
        await until(lambda: not connection.problem)
        before = logins(server)

        found = await connection.gather(PING, b"", expect=2, seconds=1)

        assert logins(server) > before
    assert len(found) == 1


async def test_a_renewal_that_fails_leaves_the_connection_as_it_is(root: TrustRoot, server: NatsServer) -> None:
    servers = [server.url]
    async with kept_up(servers, minter(root), renew_seconds=0.2) as connection:
        await until(lambda: not connection.problem)
        servers[:] = [f"nats://127.0.0.1:{Port()}"]

        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert await answers(connection) == 1


async def test_a_dead_server_in_the_list_delays_nobody(root: TrustRoot, server: NatsServer) -> None:
    dead = [Port(), Port()]
    async with kept_up([*(f"nats://127.0.0.1:{port}" for port in dead), server.url], minter(root)) as connection:
        await until(lambda: not connection.problem, within=2)
        assert await answers(connection) == 1


async def test_a_server_that_comes_back_is_found_at_once_and_tells_of_itself(
    root: TrustRoot, server: NatsServer
) -> None:
    told = Told()
    async with kept_up([server.url], minter(root), told=told) as connection:
        await until(lambda: not connection.problem)
        server.kill()
        await until(lambda: bool(connection.problem), within=2)
        with pytest.raises(UnavailableError, match=server.url):
            await answers(connection)

        server.start()
        await until(lambda: not connection.problem, within=3)
        assert await answers(connection) == 1
        await until(lambda: any(subject.endswith(".STATSZ") for subject in told.heard))


async def test_a_refused_login_leaves_no_socket_behind(root: TrustRoot, server: NatsServer) -> None:
    async with kept_up([server.url], refused(root)) as connection:
        await until(lambda: connection.refused)
        before, open_before = logins(server), open_files()
        await until(lambda: logins(server) >= before + 4)

        assert open_files() <= open_before + 1  # one attempt may be under way
        assert "do not accept this Hub's operator" in connection.problem
    gc.collect()  # a socket nobody closed would make itself heard


async def test_one_server_that_refuses_tells_more_than_others_that_are_away(
    root: TrustRoot, server: NatsServer
) -> None:
    told, away = Told(), Port()
    async with kept_up([f"nats://127.0.0.1:{away}", server.url], refused(root), told=told) as connection:
        await until(lambda: connection.refused)
        before, changes = logins(server), told.changes
        await until(lambda: logins(server) >= before + 3)

        assert connection.refused
    assert told.changes == changes


def open_files() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("welcome", [True, False])
async def test_it_ends_at_once_whenever_it_is_told_to(root: TrustRoot, server: NatsServer, *, welcome: bool) -> None:
    mint = minter(root) if welcome else refused(root)
    for moment in range(40):  # the library swallows a cancellation at some moments of a login
        async with asyncio.timeout(3), kept_up([server.url], mint, renew_seconds=0.02):
            await asyncio.sleep(moment / 1000)
