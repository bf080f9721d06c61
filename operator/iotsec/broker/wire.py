"""The bytes to and from one server, encrypted where they can be, and where they must be or nothing is sent.

The NATS library encrypts where a server's INFO asks it to, and INFO comes in plain: whoever is in between strikes that
out, and is sent the JWT. So it is decided here, before the library has read INFO and has said anything.
"""

import asyncio
import ssl
from typing import cast
from urllib.parse import ParseResult

import orjson
from nats.aio.transport import TcpTransport

from iotsec.broker.client_tls import ClientTls, PlainRefusedError

_SILENT_SECONDS = 1.0  # a server waits 2 s for TLS to begin unless told otherwise (nats-server TLS_TIMEOUT)


class _Encrypted(asyncio.StreamReaderProtocol):
    """What is read from TLS."""

    def eof_received(self) -> bool:
        """Take note that the server closed; over TLS there is no going on in one direction, and no need to warn."""
        super().eof_received()
        return False


class Wire(TcpTransport):
    """One connection; the library reads, writes and closes it."""

    def __init__(self, tls: ClientTls | None, context: ssl.SSLContext | None) -> None:
        """Prepare; without ``tls`` what INFO and the URL say is done, with the roots of this machine."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._context = context
        self._wanted = tls is not None
        self._required = tls is not None and tls.required
        self._handshake_first = tls is not None and tls.handshake_first
        self._greeted = False
        self._held = b""
        self.encrypted = False
        """TLS is on, the server's certificate verified."""

    def __bool__(self) -> bool:
        """Be there before the connection is, or the library takes a transport of its own."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Dial."""
        self._at = (uri, buffer_size, connect_timeout)
        if uri.scheme == "tls":
            self._wanted = self._required = True
        await super().connect(uri, buffer_size, connect_timeout)

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Do nothing: when the library has read INFO and asks for TLS, there is TLS."""

    async def readline(self) -> bytes:
        """Read a line; the first is INFO, and TLS begins before it or right after."""
        if self._greeted:
            return await self._line()
        self._greeted = True
        info = await self._said_already() if self._handshake_first else None
        if info is None and self._handshake_first and await self._begins_with_tls():
            return await self._line()
        if info is None:
            info = await self._said_within(_SILENT_SECONDS)
        if info is None:
            await self._encrypt()  # the server waits for us
            return await self._line()
        if self._is_offered(info):
            await self._encrypt()
        elif self._required and info:
            raise PlainRefusedError("no TLS is offered")
        return info

    def write(self, payload: bytes) -> None:
        """Send; CONNECT goes together with the PING behind it.

        A server that refuses our certificate says why and hangs up, and a second write would come upon that before
        what it said is read.
        """
        if payload.startswith(b"CONNECT ") and payload.count(b"\r\n") == 1:
            self._held = payload
            return
        held, self._held = self._held, b""
        super().write(held + payload)  # type: ignore[no-untyped-call]

    def abort(self) -> None:
        """Close the socket now; what is not sent yet is lost."""
        for writer in (self._io_writer, self._bare_io_writer):
            if writer is not None:
                writer.transport.abort()

    async def _begins_with_tls(self) -> bool:
        """Begin TLS; where the server said something before that dial again, and tell so."""
        try:
            await self._encrypt()
        except ssl.SSLCertVerificationError:
            raise
        except (ssl.SSLError, ConnectionError) as error:
            if "ALERT" in (getattr(error, "reason", None) or ""):
                raise  # it does speak TLS
            await super().connect(*self._at)
            return False
        return True

    async def _encrypt(self) -> None:
        bare = self._io_writer
        if bare is None:
            raise ConnectionError("the connection is closed")
        uri, _, seconds = self._at
        # A new reader: what came before, in plain, is lost to whoever put it there.
        reader = asyncio.StreamReader()
        protocol = _Encrypted(reader)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                transport = await loop.start_tls(
                    bare.transport,
                    protocol,
                    self._context or ssl.create_default_context(),
                    server_hostname=uri.hostname,
                )
        except BaseException:
            self.abort()
            # Whoever waited for its end would wait for ever: nothing reads the bare socket any more.
            self._io_writer = self._bare_io_writer = None
            raise
        if transport is None:
            raise ConnectionError("the server hung up")
        self._io_reader, self._io_writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)
        self.encrypted = True

    def _is_offered(self, info: bytes) -> bool:
        try:
            told = orjson.loads(info.removeprefix(b"INFO "))
        except orjson.JSONDecodeError:
            return False
        offers = ("tls_required", "tls_available") if self._wanted else ("tls_required",)
        return isinstance(told, dict) and any(told.get(offer) for offer in offers)

    async def _said_already(self) -> bytes | None:
        """Return the line that is there already; ``None``: there is none, and what comes later is read by TLS."""
        if self._io_writer is None:
            return None
        transport = cast("asyncio.Transport", self._io_writer.transport)  # both ways, as every socket's
        transport.pause_reading()
        line = await self._said_within(0)
        if line is not None:
            transport.resume_reading()
        return line

    async def _said_within(self, seconds: float) -> bytes | None:
        """Return the next line, empty where the server hung up; ``None``: it says nothing."""
        try:
            async with asyncio.timeout(seconds):
                return await self._line()
        except TimeoutError:
            return None

    async def _line(self) -> bytes:
        line: bytes = await super().readline()  # type: ignore[no-untyped-call]
        return line
