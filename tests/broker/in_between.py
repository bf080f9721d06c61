"""Somebody between the operator and a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from testbed.nats_server import NatsServer
from testbed.ports import Port


@asynccontextmanager
async def in_between(server: NatsServer | None, info: bytes | None = None, *, more: bytes = b"") -> AsyncIterator[str]:
    """Somebody on the way to a server, who says this INFO in place of the server's, and something more behind it.

    The URL to reach him at; with no server behind him he collects what he is told, and fails the test for it.
    """
    told = b""

    async def pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                to.write(data)
        finally:
            to.close()  # also where the test ends before either side hangs up

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal told
        if server is None:
            writer.write((info or b"") + more)
            told += await reader.read()
            writer.close()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", server.ports.client.number)
        writer.write((info or await theirs.readline()) + more)
        await asyncio.gather(pass_on(reader, ours), pass_on(theirs, writer), return_exceptions=True)

    port = Port().number
    listener = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        listener.close()
        await asyncio.sleep(0)
    assert told == b""
