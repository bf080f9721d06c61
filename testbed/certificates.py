"""The testbed's own certificate authority: who the API server is, and who its first clients are."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=30)
_CLOCK_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class KeyPairFiles:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority that lives in a directory, for one control plane and 30 days."""

    directory: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, directory: Path) -> "Authority":
        """A new one; its certificate is in `ca.crt`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("testbed")
        certificate = (
            _unsigned(name, key.public_key(), issuer=name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        authority = cls(directory, certificate, key)
        authority.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def path(self) -> Path:
        """The file with the authority's certificate."""
        return self.directory / "ca.crt"

    def issue(
        self, name: str, *, group: str | None = None, addresses: Sequence[str] = (), names: Sequence[str] = ()
    ) -> KeyPairFiles:
        """A certificate for loopback servers and for clients: Kubernetes takes the common name for the user.

        A server may have more IP addresses and DNS names than those of loopback.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        reached: list[x509.GeneralName] = [
            *(x509.DNSName(known) for known in ("localhost", *names)),
            *(x509.IPAddress(ipaddress.ip_address(known)) for known in ("127.0.0.1", *addresses)),
        ]
        certificate = (
            _unsigned(_name(name, group), key.public_key(), issuer=self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName(reached), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        stem = name.replace(":", "-")
        files = KeyPairFiles(self.directory / f"{stem}.crt", self.directory / f"{stem}.key")
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_key(files.key, key)
        return files


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key as PEM (SEC 1, which kube-apiserver reads), readable by its owner alone."""
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def _name(common_name: str, group: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _unsigned(
    subject: x509.Name, public_key: ec.EllipticCurvePublicKey, *, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 (the servers that check these certificates read it too)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )
