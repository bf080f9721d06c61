"""A Hub whose certificates are asked about: its CA, which of its certificates ended early, and the endpoint."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from x509.pki import leaf, root

from iotsec.decide.revoked_certificates import RevokedCertificate, RevokedCertificates, Sources
from iotsec.endpoints.revocation import RevocationEndpoint
from iotsec.x509.authority import Authority
from iotsec.x509.certificate import read_certificate
from iotsec.x509.keys import KeyType, PrivateKey, generate
from iotsec.x509.names import Names, Usage


def now() -> int:
    return int(time.time())


@dataclass
class RevokingHub:
    """The Hub `site` in the namespace `fleet`."""

    authorities: tuple[Authority, ...] = field(default_factory=lambda: (root(now=now()),))
    revoked: RevokedCertificates = field(default_factory=RevokedCertificates)
    validity: int | None = None
    asked: int = 0
    """How often somebody wanted to know something of it."""
    port: int = 0

    @property
    def authority(self) -> Authority:
        return self.authorities[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ocsp_url(self) -> str:
        return f"{self.url}/ocsp/fleet/site"

    def sources(self, namespace: str, hub: str) -> Sources | None:
        if (namespace, hub) != ("fleet", "site"):
            return None
        self.asked += 1
        return Sources(self.authorities, self.revoked, self.validity)

    def issue(self, names: Names, usage: Usage = Usage.CLIENT) -> tuple[bytes, PrivateKey]:
        """A certificate that says where to ask about it, with its key."""
        key = generate(KeyType())
        url = self.ocsp_url if usage is Usage.CLIENT else ""
        return leaf(self.authority, key, names=names, usage=usage, now=now(), ocsp_url=url), key

    def revoke(self, certificate: bytes) -> None:
        facts = read_certificate(certificate)
        ended = RevokedCertificate(facts.serial, facts.issuer_key_id, now(), facts.expires_at)
        self.revoked = self.revoked.with_revoked([ended], now=now())


@asynccontextmanager
async def serving(hub: RevokingHub, *, validity: int = 60) -> AsyncIterator[RevocationEndpoint]:
    endpoint = RevocationEndpoint(sources=hub.sources, clock=now, validity=validity)
    await endpoint.start()
    hub.port = endpoint.port
    try:
        yield endpoint
    finally:
        await endpoint.close()
