"""`openssl s_client` at a listener of NATS: what it thinks of the server, and whether the server lets it in."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_OPENSSL = shutil.which("openssl") or "openssl"
_SECONDS = 10
# No word of any protocol: whoever let us in says so or hangs up, without an alert of TLS.
_NONSENSE = b"\x00nonsense\r\n\r\n"
_ERROR = re.compile(r"(?:SSL routines:[^:]*:|verify error:num=\d+:)([^:\n]+)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a handshake."""

    error: str
    """What either side had against it, in OpenSSL's words; empty where both were content."""
    version: str
    """Such as "TLSv1.3"; empty where there was no handshake."""
    cipher: str


async def judged_by_openssl(  # noqa: D417 - `options` are those of openssl-s_client(1)
    port: int,
    *options: str,
    bundle: Path,
    pair: Path | None = None,
    info_first: bool = False,
    address: str = "127.0.0.1",
) -> Verdict:
    """Shake hands with a listener, verifying its certificate and that it is for an address, as OpenSSL does.

    Args:
        bundle: File of the CAs to trust.
        pair: Folder with ``tls.crt`` and ``tls.key``, shown where the server asks for a certificate.
        info_first: The listener speaks before TLS begins, as those for clients and leaf nodes do.
        address: IP address that the certificate must be good for.

    """
    async with _past_info(port) if info_first else _straight(port) as at:
        command = ["s_client", "-connect", f"127.0.0.1:{at}", "-CAfile", str(bundle), "-verify_return_error"]
        command += ["-verify_ip", address, "-brief", "-ign_eof", *options]
        if pair is not None:
            command += ["-cert", str(pair / "tls.crt"), "-key", str(pair / "tls.key")]
        process = await asyncio.create_subprocess_exec(
            _OPENSSL,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_SECONDS):
                _, told = await process.communicate(_NONSENSE)
        except TimeoutError:
            process.kill()
            await process.wait()
            return Verdict("the server does not answer", "", "")
    return _read(told.decode(errors="replace"))


def _read(told: str) -> Verdict:
    version, cipher = (re.search(rf"{name}: (\S+)", told) for name in ("Protocol version", "Ciphersuite"))
    wrong = _ERROR.search(told)
    error = wrong[1].strip() if wrong else ""
    if not error and version is None:
        error = "there was no handshake"
    return Verdict(error, version[1] if version else "", cipher[1] if cipher else "")


@asynccontextmanager
async def _straight(port: int) -> AsyncIterator[int]:
    yield port


@asynccontextmanager
async def _past_info(port: int) -> AsyncIterator[int]:
    """Take the server's first line, which is not TLS, out of what it says at a port; the port to use instead."""

    async def passed_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    to.write(data)
                    await to.drain()
        finally:
            to.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        if not (await there.readline()).startswith(b"INFO "):
            raise ConnectionError(f"the server at port {port} does not begin with INFO")
        await asyncio.gather(passed_on(reader, back), passed_on(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
