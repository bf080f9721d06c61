"""Issuers of the stand-in for cert-manager: what they sign, and what they do wrong when they are told to."""

import datetime as dt
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iotsec.x509.key_usage import key_usage

_DEFAULT_LIFE = dt.timedelta(days=90)
_CA_LIFE = dt.timedelta(days=3650)
_SKEW = dt.timedelta(seconds=1)
_BITS = ("digital signature", "content commitment", "key encipherment", "data encipherment", "key agreement")
_PURPOSES = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}


class Behaviour(StrEnum):
    """What an issuer does with the requests it is sent."""

    SIGN = "sign"
    STAY_SILENT = "stay silent"
    """As when cert-manager does not run."""
    DENY = "deny"
    """As an approver does."""
    FAIL = "fail"
    CALL_INVALID = "call invalid"
    SIGN_ANOTHER_KEY = "sign another key"
    SIGN_ANOTHER_NAME = "sign another name"
    SIGN_A_CA = "sign a CA"
    TELL_NO_CA = "tell no CA"
    TELL_ANOTHER_CA = "tell another CA"


@dataclass(frozen=True)
class Root:
    """A CA that signs leaves itself."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, common_name: str = "issuer") -> "Root":
        """A new one, good for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named(common_name)
        may_sign = key_usage("digital_signature", "key_cert_sign", "crl_sign")
        certificate = (
            _builder(_CA_LIFE)
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(may_sign, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass
class Issuer:
    """An issuer, of whatever namespace; what it does may be changed at any time."""

    root: Root = field(default_factory=Root.create)
    behaviour: Behaviour = Behaviour.SIGN
    requests: set[str] = field(default_factory=set)
    """The uids of those it answers, in whatever way."""

    @property
    def answered(self) -> int:
        """How many requests got an answer."""
        return len(self.requests)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the status it gives a CertificateRequest, with the conditions that are new."""
        self.requests.add(request["metadata"]["uid"])
        spec = request["spec"]
        match self.behaviour:
            case Behaviour.DENY:
                denied = condition("Denied", "True", "policy", "no policy allows this request")
                failed = _failed("Denied", "The CertificateRequest was denied by an approval controller")
                return failed | {"conditions": [denied, *failed["conditions"]]}
            case Behaviour.FAIL:
                return _failed("Failed", "Error signing certificate: the vault is sealed")
            case Behaviour.CALL_INVALID:
                return {"conditions": [condition("InvalidRequest", "True", "Policy", "the duration is too long")]}
        if contradiction := _contradiction(_read(spec), spec["usages"]):
            return _failed("Failed", f"Error generating certificate template: {contradiction}")
        issued = condition("Ready", "True", "Issued", "Certificate fetched from issuer successfully")
        root = Root.create().pem if self.behaviour is Behaviour.TELL_ANOTHER_CA else self.root.pem
        told = {} if self.behaviour is Behaviour.TELL_NO_CA else {"ca": b64encode(root).decode()}
        return {"conditions": [issued], "certificate": b64encode(self._signed(spec)).decode(), **told}

    def _signed(self, spec: dict[str, Any]) -> bytes:
        """Sign the request of a CertificateRequest, PEM.

        As cert-manager does, by what the request says of subject, names and key usages, and the spec of all else.
        """
        request = _read(spec)
        public, subject = request.public_key(), request.subject
        if self.behaviour is Behaviour.SIGN_ANOTHER_KEY:
            public = ec.generate_private_key(ec.SECP256R1()).public_key()
        if self.behaviour is Behaviour.SIGN_ANOTHER_NAME:
            subject = _named("somebody-else")
        duration = spec.get("duration", "").removesuffix("s")
        builder = (
            _builder(dt.timedelta(seconds=int(duration)) if duration else _DEFAULT_LIFE)
            .subject_name(subject)
            .issuer_name(self.root.certificate.subject)
            .public_key(public)
            .add_extension(
                x509.BasicConstraints(ca=self.behaviour is Behaviour.SIGN_A_CA, path_length=None), critical=True
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root.key.public_key()), critical=False
            )
            .add_extension(
                x509.ExtendedKeyUsage(_purposes(spec["usages"])),
                critical=False,
            )
        )
        for extension in request.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName | x509.KeyUsage):
                builder = builder.add_extension(extension.value, critical=extension.critical)
        return builder.sign(self.root.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    """Return a condition as cert-manager writes it, but for its time."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _read(spec: dict[str, Any]) -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(b64decode(spec["request"]))


def _contradiction(request: x509.CertificateSigningRequest, usages: list[str]) -> str:
    """Tell in what a request says something else than `spec.usages`: cert-manager's pki package takes no difference.

    Not even one of order, where it is about extended key usages.
    """
    for extension in request.extensions:
        match extension.value:
            case x509.ExtendedKeyUsage() as found if list(found) != _purposes(usages):
                return "the extended key usages of the request are not those of spec.usages"
            case x509.KeyUsage() as found if {bit for bit in _BITS if getattr(found, bit.replace(" ", "_"))} != {
                usage for usage in usages if usage not in _PURPOSES
            }:
                return "the key usages of the request are not those of spec.usages"
    return ""


def _purposes(usages: list[str]) -> list[x509.ObjectIdentifier]:
    return [_PURPOSES[usage] for usage in usages if usage in _PURPOSES]


def _failed(reason: str, message: str) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 (the API server's clock is the same)
    failed = condition("Ready", "False", reason, message)
    return {"conditions": [failed], "failureTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(life: dt.timedelta) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 (those who check what it signs read this clock too)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
    )
