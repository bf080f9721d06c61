"""A nats-server with TLS, and a connection to it that is kept up as the operator does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from broker.certificate_authority import Pair
from broker.one_account import Trust

from iotsec.broker.client_tls import ClientTls
from iotsec.broker.connection import SystemConnection, UnavailableError
from testbed.nats_server import NatsServer

PING = "$SYS.REQ.SERVER.PING"


def tls_config(trust: Trust, pair: Pair, *, ca: bytes = b"", block: str = "", top: str = "") -> dict[str, bytes]:
    """What a server mounts that shows this certificate; ``block`` is added to its ``tls``, ``top`` outside of it."""
    files = {"server.crt": pair.certificate, "server.key": pair.key, **({"ca.crt": ca} if ca else {})}
    names = {"cert_file": "server.crt", "key_file": "server.key", **({"ca_file": "ca.crt"} if ca else {})}
    lines = [f'{key}: "/etc/nats-iotsec/{name}"' for key, name in names.items()]
    config = trust.config()
    tls = "\n".join(["", top, "tls {", *lines, block, "}", ""])
    return {**files, "server.conf": config["server.conf"] + tls.encode()}


@asynccontextmanager
async def kept_up(
    urls: Sequence[str],
    trust: Trust,
    tls: Callable[[], ClientTls | None],
    *,
    heard: Callable[[str, bytes], None] = lambda _, __: None,
) -> AsyncIterator[SystemConnection]:
    """A connection that is being kept up; it may not be there yet."""
    connection = SystemConnection(
        hub="iot/plant",
        servers=lambda: tuple(urls),
        mint=trust.mint,
        changed=lambda: None,
        heard=heard,
        tls=tls,
        retry_seconds=(0.1,),
    )
    task = asyncio.create_task(connection.run())
    try:
        yield connection
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_answered(connection: SystemConnection) -> bool:
    """Whether there is a connection, and a server that answers over it."""
    try:
        return len(await connection.gather(PING, b"", expect=1, seconds=2)) == 1
    except UnavailableError:
        return False


def begin(server: NatsServer, config: dict[str, bytes]) -> None:
    server.mount(config)
    server.start()


def sockets() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
