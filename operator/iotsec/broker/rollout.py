"""The servers' configuration as running servers have it: which revision, reloaded by whom we ask, served to whom.

Over the system account: ``VARZ`` tells a server's metadata, ``RELOAD`` makes it read its files again (nats-server
``events.go``). What it serves, only a handshake tells.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from iotsec.broker.answers import bodies, server_of
from iotsec.broker.connection import SystemConnection
from iotsec.decide.rollout import Loaded, told
from iotsec.nats.server_config import METADATA_KEY

_ASK_SECONDS = 1.5
_RELOAD_SECONDS = 5.0
_LEAVE_SECONDS = 1.0
_LONGEST_INFO = 1 << 20
_DEFAULT_PORT = 4222
_SPEAKS_FIRST = frozenset({"nats", "tls"})
_PORTS = {
    "websocket": ("websocket", "port"),
    "mqtt": ("mqtt", "port"),
    "leafnodes": ("leaf", "port"),
    "cluster": ("cluster", "cluster_port"),
    "gateway": ("gateway", "port"),
}


@dataclass(frozen=True, slots=True)
class Served:
    """What a server showed to somebody who only looked; nothing of it is known where ``error`` came first."""

    server_id: str = ""
    server_name: str = ""
    fingerprint: str = ""
    """Of its certificate: SHA-256 of the DER, hex."""
    chain_valid: bool = False
    """The certificate verifies by the CAs, and the name where that is asked, of the context that was given."""
    error: str = ""


async def loaded(connection: SystemConnection, *, expect: int) -> dict[str, Loaded]:
    """Ask every server which revision of its configuration it has loaded; by the server's id.

    Raises:
        UnavailableError: nobody can be asked.

    """
    return loaded_by(await connection.gather("$SYS.REQ.SERVER.PING.VARZ", b"", expect=expect, seconds=_ASK_SECONDS))


def loaded_by(answers: Iterable[bytes]) -> dict[str, Loaded]:
    """Read what servers answered to VARZ."""
    found = {}
    for body in bodies(answers):
        server, data = server_of(body), body.get("data") or {}
        ports = {"client": data.get("port")} | {
            listener: (data.get(section) or {}).get(key) for listener, (section, key) in _PORTS.items()
        }
        found[server.id] = Loaded(
            id=server.id,
            name=server.name,
            version=str(data.get("version") or server.version),
            digest=str((data.get("metadata") or {}).get(METADATA_KEY, "")),
            started_at=_seconds(data.get("start")),
            loaded_at=_seconds(data.get("config_load_time")),
            addresses=tuple(map(str, data.get("connect_urls") or ())),
            ports={listener: port for listener, port in ports.items() if isinstance(port, int) and port > 0},
        )
    return found


async def reload(connection: SystemConnection, server_id: str) -> str:
    """Make a server read its configuration again; return "", or what it says against it, without any values.

    It goes on with its old configuration where it refuses the new one, as a whole. That it took the new one only
    `loaded` tells: the file may not have come yet.

    Raises:
        UnavailableError: nobody can be asked.

    """
    subject = f"$SYS.REQ.SERVER.{server_id}.RELOAD"
    answers = await connection.gather(subject, b"", expect=1, seconds=_RELOAD_SECONDS)
    for body in bodies(answers):
        error = body.get("error")
        return told(str(error.get("description", "")) if isinstance(error, dict) else str(error)) if error else ""
    return "it does not answer"


async def served(
    url: str, *, context: ssl.SSLContext, handshake_first: bool = False, seconds: float = _RELOAD_SECONDS
) -> Served:
    """Look at the certificate that a listener serves, and hang up.

    ``nats`` and ``tls`` URLs are those of client listeners: they tell who they are, and TLS comes after that, or first
    of all where ``handshake_first``. Others (``wss``, ``mqtts``) are only shaken hands with. The context may have a
    certificate of our own. A server that wants a certificate, or another, shows its own all the same, and says so only
    later (RFC 8446 section 4.4.2.4): that is told here where TLS came first, and not seen elsewhere.
    """
    try:
        async with asyncio.timeout(seconds):
            try:
                return await _look(url, context, handshake_first=handshake_first)
            except ssl.SSLCertVerificationError as error:
                seen = await _look(url, _trusting(), handshake_first=handshake_first)
                why = f"its certificate does not verify: {error.verify_message}"
                return Served(seen.server_id, seen.server_name, seen.fingerprint, chain_valid=False, error=why)
    except TimeoutError:
        return Served(error=f"it does not answer within {seconds:g} s")
    except (OSError, ValueError) as error:
        return Served(error=_words(error))


async def _look(url: str, context: ssl.SSLContext, *, handshake_first: bool) -> Served:
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or _DEFAULT_PORT
    speaks = address.scheme in _SPEAKS_FIRST
    first = handshake_first or not speaks
    reader, writer = await asyncio.open_connection(
        host, port, limit=_LONGEST_INFO, ssl=context if first else None, server_hostname=host if first else None
    )
    try:
        info = await _info(reader) if speaks and not first else {}
        if not first:
            if not (info.get("tls_required") or info.get("tls_available")):
                return _served(info, b"", "it speaks no TLS")
            await writer.start_tls(context, server_hostname=host)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        if speaks and first:
            try:
                info = await _info(reader)
            except OSError as error:  # it showed its certificate, and does not like ours
                return _served({}, certificate, _words(error))
        return _served(info, certificate)
    finally:
        await _hang_up(writer)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """Take leave: of whoever is just gone, servers write an error to their log."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LEAVE_SECONDS):
            await writer.wait_closed()
    writer.transport.abort()


async def _info(reader: asyncio.StreamReader) -> Mapping[str, Any]:
    """Read what a server says of itself as soon as somebody comes.

    Raises:
        ValueError: it is something else.

    """
    line = await reader.readline()
    if not line.startswith(b"INFO "):
        raise ValueError("it is no listener for NATS clients, or wants TLS first")
    info: Mapping[str, Any] = orjson.loads(line.removeprefix(b"INFO "))
    return info


def _served(info: Mapping[str, Any], certificate: bytes, error: str = "") -> Served:
    return Served(
        server_id=str(info.get("server_id", "")),
        server_name=str(info.get("server_name", "")),
        fingerprint=hashlib.sha256(certificate).hexdigest() if certificate else "",
        chain_valid=bool(certificate),
        error=error,
    )


def _trusting() -> ssl.SSLContext:
    """Make a context to look with, not to talk over."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {(error.reason or 'handshake failed').lower().replace('_', ' ')}"
    return (
        f"it cannot be reached: {error.strerror or type(error).__name__}" if isinstance(error, OSError) else str(error)
    )


def _seconds(instant: object) -> int:
    """Read a time as Go writes it; 0 where there is none."""
    with suppress(ValueError):
        return int(datetime.fromisoformat(str(instant)).timestamp())
    return 0
