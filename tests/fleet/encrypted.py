"""Sites whose servers are encrypted: their Secret is brought to them as a kubelet does, also when it changes."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.kubelet import Kubelet
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import NatsServer
from testbed.user import Object, User

QUICK = {"caRotation": {"distributeFor": "10s"}}
"""Of a rotation of the CA, as short as it may be."""


@dataclass(frozen=True)
class EncryptedSite:
    """A Hub `plant`, its servers, and who brings them their Secret."""

    user: User
    servers: tuple[NatsServer, ...]
    kubelet: Kubelet

    @property
    def server(self) -> NatsServer:
        return self.servers[0]

    def encrypt(self, **spec: Any) -> Object:
        """Apply the TLSPolicy `plant` and wait until every server is encrypted so."""
        self.user.apply_tls_policy("plant", **spec)
        return self.user.wait_ready("TLSPolicy", "plant", within=60)

    def bundle(self) -> bytes:
        """What verifies the servers, as the policy's Secret has it."""
        return self.user.wait_secret("plant-ca")["ca.crt"]


@contextmanager
def encrypted_site(
    user: User,
    directory: Path,
    *,
    size: int = 1,
    hub: Mapping[str, Any] | None = None,
    all_listeners: bool = False,
    **spec: Any,
) -> Iterator[EncryptedSite]:
    """A Hub of so many servers, with TLS from the start where `spec` (of a TLSPolicy) is given.

    `hub` is what the Hub's spec says beside its servers; with `all_listeners` they have those for leaf nodes and
    gateways, too.
    """
    more: dict[str, Any] = {"leafnodes": True, "gateways": {}} if all_listeners else {}
    servers: NatsServer | NatsCluster = NatsCluster(directory / "cluster", size, interval="2s", **more)
    if size == 1:
        servers = NatsServer(directory / "nats", interval="2s", **more)
    with servers:
        members = servers.servers if isinstance(servers, NatsCluster) else (servers,)
        user.apply_hub("plant", [one.url for one in members], **(hub or {}))
        if spec:
            user.apply_tls_policy("plant", **spec)
            user.wait_for("Secret", "plant-nats-config", lambda s: any(n.endswith(".key") for n in s["data"]))
        servers.mount(user.wait_secret("plant-nats-config"))
        servers.start()
        servers.wait_ready()
        with Kubelet(user, "plant-nats-config", members) as kubelet:
            user.wait_ready("Hub", "plant", within=60)
            yield EncryptedSite(user, members, kubelet)


def client_context(
    bundle: bytes, pair: dict[str, bytes] | None = None, *, directory: Path | None = None
) -> ssl.SSLContext:
    """What a client trusts, and shows where it has a certificate; its files are put into a directory for OpenSSL."""
    context = ssl.create_default_context(cadata=bundle.decode())
    if pair is not None:
        if directory is None:
            raise ValueError("a certificate is read from files: give a directory")
        directory.mkdir(parents=True, exist_ok=True)
        certificate, key = directory / "tls.crt", directory / "tls.key"
        certificate.write_bytes(pair["tls.crt"])
        key.write_bytes(pair["tls.key"])
        context.load_cert_chain(certificate, key)
    return context
