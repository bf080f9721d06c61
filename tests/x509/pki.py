"""Authorities for tests, good ones and such as people make by mistake."""

import os
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iotsec.x509.authority import Authority, read_authority, self_signed
from iotsec.x509.certificate import issue
from iotsec.x509.key_usage import key_usage
from iotsec.x509.keys import KeyType, PrivateKey, generate, new_serial
from iotsec.x509.names import Names, Usage

NOW = 1_790_000_000
DAY = 24 * 60 * 60

P256, P384, ED25519 = KeyType(), KeyType("ECDSA", 384), KeyType("Ed25519")
RSA2048 = KeyType("RSA", 2048)
WEAK = 1024
"""Bits of an RSA key as it should not be."""
KEY_TYPES = (P256, P384, RSA2048, ED25519)

WEATHER = Names(
    "weather-01",
    dns_names=("weather-01.fleet.device.cluster.local",),
    uris=("spiffe://cluster.local/ns/fleet/device/weather-01",),
)
NATS = Names("nats", dns_names=("nats.example.com", "*.nats-headless.fleet.svc"), ip_addresses=("127.0.0.1", "::1"))

CA_USAGE = key_usage("key_cert_sign", "crl_sign")
Signer = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def serial() -> int:
    return new_serial(os.urandom(32))


def root(
    key_type: KeyType = P256, *, name: str = "factory CA", now: int = NOW, expires_at: int = NOW + 3650 * DAY
) -> Authority:
    return self_signed(name, generate(key_type), serial=serial(), issued_at=now - DAY, expires_at=expires_at)


def leaf(
    authority: Authority,
    key: PrivateKey | None = None,
    *,
    names: Names = WEATHER,
    usage: Usage = Usage.CLIENT,
    number: int | None = None,
    now: int = NOW,
    ocsp_url: str = "",
) -> bytes:
    return issue(
        authority,
        names,
        usage,
        (key or generate(P256)).public,
        serial=number or serial(),
        issued_at=now - DAY,
        expires_at=now + 90 * DAY,
        ocsp_url=ocsp_url,
    )


def below(authority: Authority, key_type: KeyType = P256) -> Authority:
    """An intermediate under an authority of `made`, with all above it in its file but the root."""
    key = generate(key_type)
    own = made("plant CA", key.signer, issuer=authority)
    return read_authority(pem(own) + authority.chain, key.to_pem(), root=authority.root, now=NOW)


def long_root(key_type: KeyType = P256) -> Authority:
    """A root that allows of intermediates."""
    key = generate(key_type)
    return read_authority(pem(made("company root", key.signer)), key.to_pem(), now=NOW)


def made(
    name: str,
    key: object,
    *,
    issuer: Authority | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] | None = None,
    path_length: int | None = None,
    issued_at: int = NOW - DAY,
    expires_at: int = NOW + 3650 * DAY,
) -> x509.Certificate:
    """A CA certificate as another tool would make it; `extensions` are all that it has instead of the usual."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    public = key.public_key()  # type: ignore[attr-defined]
    usual = (
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (CA_USAGE, True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
    )
    start = datetime.fromtimestamp(issued_at, UTC)
    builder = x509.CertificateBuilder(
        issuer.issuer_name if issuer else subject,
        subject,
        public,
        serial(),
        start,
        start + timedelta(seconds=expires_at - issued_at),
    )
    for extension, critical in usual if extensions is None else extensions:
        builder = builder.add_extension(extension, critical)
    if issuer:
        builder = builder.add_extension(issuer.authority_key_id, critical=False)
    signer = issuer.key.signer if issuer else key
    return builder.sign(signer, None if "ed25519" in type(signer).__module__ else hashes.SHA256())  # type: ignore[arg-type]


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(key: Signer) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
