"""One nats-server with encrypted listeners, which asks the endpoint about certificates; and who tries to get in."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from broker.one_account import Trust
from endpoints.revoking import RevokingHub, serving

from iotsec.endpoints.revocation import RevocationEndpoint
from iotsec.x509.keys import PrivateKey
from iotsec.x509.names import Names, Usage
from testbed.handshakes import shake_hands
from testbed.nats_server import NatsServer
from testbed.ports import Port

FILES = "cert_file: /etc/nats-iotsec/server.crt, key_file: /etc/nats-iotsec/server.key"
MUTUAL = f"{FILES}, ca_file: /etc/nats-iotsec/ca.crt, verify: true"
CONNECT = b"CONNECT {}\r\nPING\r\n"
Held = tuple[bytes, PrivateKey]


@dataclass(frozen=True)
class Site:
    """One server whose listeners are encrypted, and the Hub that it asks about certificates."""

    hub: RevokingHub
    server: NatsServer
    endpoint: RevocationEndpoint
    directory: Path

    async def admits(self, held: Held, *, at: Port | None = None) -> bool:
        """Whether a listener, that for clients unless given, lets somebody with this certificate in."""
        ports = self.server.ports
        greets = at in (None, ports.client, ports.leafnodes)  # with its INFO, before TLS
        return (await shake_hands((at or ports.client).number, self.context(held), nats=greets)).accepted

    def context(self, held: Held) -> ssl.SSLContext:
        pair = self.directory / "held.pem"
        pair.write_bytes(held[0] + held[1].to_pem())
        context = ssl.create_default_context(cadata=self.hub.authority.root.decode())
        context.load_cert_chain(pair)
        return context

    def resumed(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession | None:
        """The session that a handshake leaves; `None` where the server refuses it, though it goes on with another."""
        with socket.create_connection(("127.0.0.1", self.server.ports.client.number), timeout=10) as plain:
            plain.recv(8192)
            try:
                with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as encrypted:
                    encrypted.sendall(CONNECT)
                    assert encrypted.recv(100)
                    assert encrypted.session_reused is (session is not None)
                    return encrypted.session
            except (ssl.SSLError, ConnectionError):
                return None


@asynccontextmanager
async def site(
    directory: Path,
    tls: str,
    *top_level: str,
    validity: int = 60,
    mqtt: str = "",
    websocket: str = "",
    leafnodes: str = "",
) -> AsyncIterator[Site]:
    hub = RevokingHub()
    certificate, key = hub.issue(Names("nats", ip_addresses=("127.0.0.1",)), Usage.SERVER)
    trust = Trust().config()
    async with serving(hub, validity=validity) as endpoint:
        with NatsServer(directory / "nats", leafnodes=bool(leafnodes)) as server:
            listeners = {"mqtt": mqtt, "websocket": websocket, "leafnodes": leafnodes}
            server.mount(
                {
                    "server.conf": "\n".join([trust["server.conf"].decode(), f"tls {{ {tls} }}", *top_level]).encode(),
                    "server.crt": certificate,
                    "server.key": key.to_pem(),
                    "ca.crt": hub.authority.root,
                    **{f"{name}.conf": f"tls {{ {text} }}".encode() for name, text in listeners.items() if text},
                }
            )
            await asyncio.to_thread(server.start)
            yield Site(hub, server, endpoint, directory)
