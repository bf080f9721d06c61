"""CAs that users keep in Secrets of their own: good ones, and such as people make by mistake."""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from x509.judges import openssl
from x509.pki import DAY, WEAK, Signer, key_pem, made, pem, root

from iotsec.x509.authority import Authority, read_authority
from testbed.user import User

SECRET = "our-ca"  # noqa: S105 - the name of one


@dataclass(frozen=True)
class OwnCa:
    """What such a Secret holds, PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    root: bytes = b""

    def put(self, user: User) -> None:
        """Write it into the Secret, as `kubectl apply` does, and leave nothing in it of what was there."""
        entries = {"tls.crt": self.certificate, "tls.key": self.key, "ca.crt": self.root}
        data = {name: b64encode(value).decode() for name, value in entries.items()}
        if user.get("Secret", SECRET) is None:
            user.create("Secret", SECRET, data=data)
        else:
            user.patch("Secret", SECRET, {"data": data})


def own_root() -> OwnCa:
    """A root that signs leaves itself."""
    ours = root(name="our root", now=_now(), expires_at=_now() + 3650 * DAY)
    return OwnCa(ours.certificate, ours.key.to_pem(), ours.root)


def intermediate() -> OwnCa:
    """A CA two below its root: the certificate between comes with it, and the root is in `ca.crt` alone."""
    company = _authority("company root", None)
    region = _authority("region CA", company)
    plant = _authority("plant CA", region)
    return OwnCa(plant.chain, plant.key.to_pem(), company.root)


def _authority(name: str, above: Authority | None) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificates = pem(_made(name, key, issuer=above)) + (above.chain if above else b"")
    return read_authority(certificates, key_pem(key), root=above.root if above else b"", now=_now())


def _made(name: str, key: Signer, *, issuer: Authority | None = None, ends: int = 3650) -> x509.Certificate:
    return made(name, key, issuer=issuer, issued_at=_now() - DAY, expires_at=_now() + ends * DAY)


def _of_another_key(_: Path) -> OwnCa:
    return OwnCa(own_root().certificate, own_root().key)


def _expired(_: Path) -> OwnCa:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = made("our root", key, issued_at=_now() - 9 * DAY, expires_at=_now() - DAY)
    return OwnCa(pem(certificate), key_pem(key))


def _no_ca(_: Path) -> OwnCa:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (x509.BasicConstraints(ca=False, path_length=None), True)
    certificate = made("our root", key, extensions=(leaf,), issued_at=_now() - DAY, expires_at=_now() + DAY)
    return OwnCa(pem(certificate), key_pem(key))


def _below_a_root_that_allows_none(_: Path) -> OwnCa:
    forbidding = root(name="our root", now=_now(), expires_at=_now() + 3650 * DAY)
    key = ec.generate_private_key(ec.SECP256R1())
    return OwnCa(pem(_made("plant CA", key, issuer=forbidding)), key_pem(key), forbidding.root)


def _weak_key(_: Path) -> OwnCa:
    key = rsa.generate_private_key(65537, WEAK)
    return OwnCa(pem(_made("our root", key)), key_pem(key))


def _weak_hash(directory: Path) -> OwnCa:
    certificate, key = directory / "weak.crt", directory / "weak.key"
    openssl(
        *("req", "-x509", "-nodes", "-subj", "/CN=our root", "-days", "90", "-sha1"),
        *("-newkey", "rsa:2048", "-keyout", key, "-out", certificate),
    )
    return OwnCa(certificate.read_bytes(), key.read_bytes())


def _rubbish(_: Path) -> OwnCa:
    return OwnCa(b"rubbish", own_root().key)


def _no_key(_: Path) -> OwnCa:
    return OwnCa(own_root().certificate, b"")


UNUSABLE: Mapping[str, tuple[Callable[[Path], OwnCa], str]] = {
    "rubbish": (_rubbish, "the CA certificate cannot be read"),
    "no key": (_no_key, "has no tls.key: write it there"),
    "another's key": (_of_another_key, "the private key is not that of the first certificate"),
    "expired": (_expired, "renew it"),
    "no CA": (_no_ca, "is not a CA: write one whose basic constraints say CA:TRUE"),
    "path length": (_below_a_root_that_allows_none, "has a path length of 0 above 1 more authorities"),
    "RSA 1024": (_weak_key, "an RSA key of 1024 bits is not taken"),
    "SHA-1": (_weak_hash, "is signed with SHA-1 or weaker: issue it again with SHA-256"),
}
"""What may be wrong with one: how it is made, and what the user is told."""


def _now() -> int:
    return int(time.time())
