"""The small world of one Device, of a Hub whose TLSPolicy is Mutual: a CA, and servers that know who was revoked."""

import hashlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from decide.secret_store import Object
from decide.world import NOW, World

from iotsec.decide import names
from iotsec.decide.certificate_note import CertificateNote, IssuedCertificate
from iotsec.decide.plan import Plan
from iotsec.decide.revoked_certificates import RevokedCertificate, RevokedCertificates
from iotsec.decide.rotation import Policy
from iotsec.decide.secrets import facts_of
from iotsec.decide.tls_view import TlsView
from iotsec.decide.views import HubView
from iotsec.x509.authority import Authority, self_signed
from iotsec.x509.bundle import bundle, digest
from iotsec.x509.certificate import CertificateFacts, read_certificate
from iotsec.x509.keys import KeyType, generate, new_serial

DAY = 86_400
CA_DAYS = 3650
CREDS, TLS = "weather-01-device-creds", "weather-01-device-tls"


def authority(number: int, *, issued_at: int = NOW, days: int = CA_DAYS) -> Authority:
    """A CA of the Hub's own."""
    key = generate(KeyType("ECDSA", 256))
    serial = new_serial(number.to_bytes(32, "big"))
    return self_signed(f"plant {number}", key, serial=serial, issued_at=issued_at, expires_at=issued_at + days * DAY)


_FIRST = authority(1)
"""Of every world: what is done with it changes nothing of it."""


@dataclass(frozen=True)
class Shown:
    """A certificate that was once written into a Secret, and the generation of its CA."""

    facts: CertificateFacts
    generation: str


class EncryptedWorld(World):
    """One Device of a Hub with a TLSPolicy."""

    def __init__(self) -> None:
        super().__init__()
        # Serials are made of the first half of it.
        self.entropy = (hashlib.sha256(number).digest() for number in self.entropy)
        self.tls: TlsView | None = TlsView(
            bundle=_FIRST.root,
            digest=digest(_FIRST.root),
            mutual=True,
            policy=Policy(duration=90 * DAY),
            key_type=KeyType("ECDSA", 256),
            keep_key=False,
            trust_domain="plant.iot",
            generation=_FIRST.key_id,
            accepted=frozenset({_FIRST.key_id}),
            authority=_FIRST,
        )
        self.asked_for: list[IssuedCertificate] = []
        """What the Hub was asked to revoke, and has not written down."""
        self.shown: list[Shown] = []

    def view(self) -> HubView:
        return replace(super().view(), tls=self.tls)

    def encrypt(self, **changes: Any) -> None:
        """Change how the Hub is encrypted."""
        assert self.tls is not None
        self.tls = replace(self.tls, **changes)

    def trust(self, *authorities: Authority, use: Authority) -> None:
        """Have the servers trust these CAs, and have one of them sign."""
        roots = bundle(*(one.root for one in authorities))
        accepted = frozenset(one.key_id for one in authorities)
        self.encrypt(bundle=roots, digest=digest(roots), accepted=accepted, generation=use.key_id, authority=use)

    def effects(self) -> list[Callable[[Plan], None]]:
        return [self._write, self._write_certificate, self._drop, self._revoke, self._revoke_certificates, self._tell]

    def _write_certificate(self, plan: Plan) -> None:
        if plan.write_certificate is None:
            return
        manifest = plan.write_certificate.manifest
        assert manifest.certificate is not None
        facts = read_certificate(manifest.data[names.TLS_CERTIFICATE_KEY])
        if facts not in [one.facts for one in self.shown]:
            self.shown.append(Shown(facts, manifest.certificate.generation))
        self._put(plan.write_certificate, plan.drop)

    def _revoke_certificates(self, plan: Plan) -> None:
        self.asked_for += plan.revoke_certificates

    def record(self) -> None:
        super().record()
        if self.tls is None or self.tls.authority is None:
            return
        wanted = [RevokedCertificate(one.serial, one.issuer, self.now, one.expires_at) for one in self.asked_for]
        self.encrypt(revoked=self.tls.revoked.with_revoked(wanted, now=self.now))
        self.asked_for = []

    def restart(self) -> None:
        super().restart()
        self.asked_for = []

    def settle(self) -> Plan:
        for _ in range(12):
            plan = self.reconcile()
            self.push()
            writes = (plan.write, plan.write_certificate)
            if plan.settled and not any((*writes, plan.revoke, plan.revoke_certificates, plan.drop)):
                return plan
        raise AssertionError(f"it never comes to rest: {plan}")

    # What there is to see.

    def certificate_secret(self, name: str = TLS) -> Object:
        return self.secrets.objects[name]

    def certificate_data(self, name: str = TLS) -> dict[str, bytes]:
        return {key: b64decode(value) for key, value in self.certificate_secret(name)["data"].items()}

    def creds_data(self) -> dict[str, bytes]:
        return {key: b64decode(value) for key, value in self.secrets.objects[CREDS]["data"].items()}

    def note(self, name: str = TLS) -> CertificateNote:
        note = facts_of(self.certificate_secret(name)["metadata"]).certificate
        assert note is not None
        return note

    def revoked(self) -> RevokedCertificates:
        return self.tls.revoked if self.tls is not None else RevokedCertificates()

    def accepts(self, shown: Shown) -> bool:
        """Tell whether servers let a certificate in: of a CA they trust, not over, and not revoked."""
        facts, tls = shown.facts, self.tls
        if tls is None or not facts.issued_at <= self.now < facts.expires_at:
            return False
        return shown.generation in tls.accepted and not tls.revoked.covers(facts.serial, facts.issuer_key_id)


def condition(status: Object, kind: str) -> tuple[str, str]:
    """One condition's status and reason; empty where there is none."""
    return next((c["status"], c["reason"]) for c in [*status["conditions"], _NONE] if c["type"] in (kind, ""))


_NONE = {"type": "", "status": "", "reason": ""}
