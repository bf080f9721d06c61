"""What certificate was issued, as it is written on the Secret that holds it: known after any restart, and sealed.

A serial number that is told by nobody cannot be revoked on the day its identity goes; one that anybody may tell could
revoke somebody else's. See :mod:`iotsec.decide.sealing`.
"""

import json
from dataclasses import dataclass
from sys import intern
from typing import Any, ClassVar

from iotsec.decide.sealing import SealedNote


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """One certificate, as revocation lists name it."""

    serial: int
    issuer: str
    """Identifier of the CA's key, in hexadecimal: the authority key identifier."""
    expires_at: int
    """Unix seconds; from then on nobody accepts it."""


@dataclass(frozen=True, slots=True)
class CertificateNote(SealedNote):
    """What a certificate Secret says was issued; times in unix seconds, as the certificate itself says them."""

    purpose: ClassVar[bytes] = b"iotsec/certificate/1\0"

    account: str
    """Public key of the account whose seal it carries."""
    serial: int
    issuer: str
    """Identifier of the CA's key, in hexadecimal."""
    generation: str
    """The CA as consumers of its trust bundle know it (:attr:`iotsec.decide.tls_view.TlsView.generation`)."""
    issued_at: int
    expires_at: int
    key: str
    """SHA-256 of the public key (SPKI), in hexadecimal."""
    id: str
    """The common name: the id it is for."""
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    shape: str
    """Digest of what the Hub decides of it for everybody: the trust domain, the kind of key."""
    request: str
    """Digest of the request it answers; empty where the key is ours to give out."""
    layout: str
    """Digest of how the Secret presents it."""
    bundle: str
    """Digest of the trust bundle beside it."""
    keys: tuple[str, ...]
    """The data keys that are ours."""
    revision: int = 1
    superseded: tuple[IssuedCertificate, ...] = ()
    """Certificates this one replaced that must be refused; kept until they are recorded as revoked."""
    formers: tuple[IssuedCertificate, ...] = ()
    """Certificates this one replaced that may be used to their own end, unless the identity goes before."""
    heeded: tuple[str, ...] = ()
    """The tokens that asked for another certificate and were heeded, of the object and of the Secret."""

    @property
    def certificate(self) -> IssuedCertificate:
        """The one in the Secret."""
        return IssuedCertificate(self.serial, self.issuer, self.expires_at)

    def everything(self) -> tuple[IssuedCertificate, ...]:
        """Return every certificate it tells of."""
        return (*self.superseded, *self.formers, self.certificate)

    def to_json(self) -> str:
        """Serialise, canonically."""
        body: dict[str, Any] = {
            "account": self.account,
            "serial": f"{self.serial:x}",
            "issuer": self.issuer,
            "generation": self.generation,
            "iat": self.issued_at,
            "exp": self.expires_at,
            "key": self.key,
            "id": self.id,
            "shape": self.shape,
            "layout": self.layout,
            "bundle": self.bundle,
            "keys": self.keys,
            "revision": self.revision,
        }
        if self.dns_names:
            body["dns"] = self.dns_names
        if self.ip_addresses:
            body["ip"] = self.ip_addresses
        if self.request:
            body["request"] = self.request
        if self.superseded:
            body["superseded"] = [_written(one) for one in self.superseded]
        if self.formers:
            body["formers"] = [_written(one) for one in self.formers]
        if self.heeded:
            body["heeded"] = self.heeded
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "CertificateNote":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: somebody else wrote it.

        """
        try:
            body = json.loads(text)
            return cls(
                account=intern(body["account"]),
                serial=int(body["serial"], 16),
                issuer=intern(body["issuer"]),
                generation=intern(body["generation"]),
                issued_at=int(body["iat"]),
                expires_at=int(body["exp"]),
                key=str(body["key"]),
                id=str(body["id"]),
                dns_names=tuple(str(name) for name in body.get("dns", ())),
                ip_addresses=tuple(str(address) for address in body.get("ip", ())),
                shape=intern(body["shape"]),
                request=str(body.get("request", "")),
                layout=str(body["layout"]),
                bundle=intern(body["bundle"]),
                keys=tuple(intern(key) for key in body["keys"]),
                revision=int(body["revision"]),
                superseded=tuple(_read(one) for one in body.get("superseded", ())),
                formers=tuple(_read(one) for one in body.get("formers", ())),
                heeded=tuple(str(token) for token in body.get("heeded", ())),
            )
        except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError("the annotation does not say what certificate was issued") from error


def _written(one: IssuedCertificate) -> list[object]:
    return [f"{one.serial:x}", one.issuer, one.expires_at]


def _read(body: Any) -> IssuedCertificate:
    serial, issuer, expires_at = body
    return IssuedCertificate(int(serial, 16), intern(issuer), int(expires_at))
