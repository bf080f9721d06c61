"""TLS handshakes with a listener, to their very end: whether it lets somebody in, and what it shows."""

import asyncio
import hashlib
import ssl
from contextlib import suppress
from dataclasses import dataclass

_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Handshake:
    """What came of one."""

    error: str = ""
    """What either side had against it; empty where both were content."""
    fingerprint: str = ""
    """SHA-256 of the certificate that the server showed, in hexadecimal."""

    @property
    def accepted(self) -> bool:
        """Whether both sides were content."""
        return not self.error


async def shake_hands(port: int, context: ssl.SSLContext, *, nats: bool = True) -> Handshake:
    """Shake hands with a listener of NATS, or with one that begins with TLS, and wait for its verdict.

    In TLS 1.3 a server judges the client's certificate after the client is content: only its first word tells.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await _shake(port, context, nats=nats)
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError) as error:
        return Handshake(str(getattr(error, "reason", "") or error) or type(error).__name__)
    except TimeoutError:
        return Handshake("it does not answer")
    except ValueError:  # after a fatal alert OpenSSL knows of no handshake any more, though there was one
        return Handshake("it refuses what it was shown")


async def _shake(port: int, context: ssl.SSLContext, *, nats: bool) -> Handshake:
    first = {} if nats else {"ssl": context, "server_hostname": "127.0.0.1"}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **first)  # type: ignore[arg-type]
    try:
        if nats:
            if b'"tls_required":true' not in await reader.readline():
                return Handshake("it offers no TLS")
            await writer.start_tls(context, server_hostname="127.0.0.1")
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        # Nonsense in every protocol: whoever let us in says so, or hangs up without an alert.
        writer.write(b"\x00nonsense\r\n\r\n")
        await reader.read(1)
        return Handshake(fingerprint=hashlib.sha256(shown).hexdigest())
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
