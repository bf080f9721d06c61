"""The Online Certificate Status Protocol (RFC 6960, and RFC 9654 for nonces): requests read, answers signed.

An answer is about one certificate, as in RFC 5019: no client of ours asks about more at a time.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from iotsec.x509.authority import Authority
from iotsec.x509.instants import as_instant
from iotsec.x509.keys import key_bits, signature_hash
from iotsec.x509.pem import UNREADABLE

NONCE_BYTES: Final = range(1, 129)
"""Bytes of a nonce (RFC 9654 2.1)."""

_HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class MalformedRequestError(ValueError):
    """A request cannot be read, or is about more than one certificate."""


class Refusal(Enum):
    """Why there is no answer (RFC 6960 2.3); nothing of it is signed."""

    MALFORMED = ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    TRY_LATER = ocsp.OCSPResponseStatus.TRY_LATER
    UNAUTHORIZED = ocsp.OCSPResponseStatus.UNAUTHORIZED
    """The certificate is of an authority that is not ours."""

    @property
    def der(self) -> bytes:
        """What is sent."""
        return _REFUSALS[self]


_REFUSALS: Final = {
    refusal: ocsp.OCSPResponseBuilder.build_unsuccessful(refusal.value).public_bytes(Encoding.DER)
    for refusal in Refusal
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority as requests name it: by digests of its name and its key."""

    hash: str
    name: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: whether the certificate with this serial, of this authority, is still good."""

    issuer: Issuer
    serial: int
    nonce: bytes = b""
    """Returned in the answer, which thereby cannot be an older one; empty for none."""


def read(der: bytes) -> Request:
    """Return what is asked; raises `MalformedRequestError`."""
    try:
        request = ocsp.load_der_ocsp_request(der)
        issuer = Issuer(request.hash_algorithm.name, request.issuer_name_hash, request.issuer_key_hash)
        return Request(issuer, request.serial_number, _nonce(request.extensions))
    except UNREADABLE:
        raise MalformedRequestError("this is no OCSP request that can be answered") from None
    except NotImplementedError:
        raise MalformedRequestError("an OCSP request is about one certificate: ask for each by itself") from None


def issuers(authorities: Iterable[Authority]) -> Mapping[Issuer, Authority]:
    """Return the authorities by every name that a request may give them."""
    return MappingProxyType({name: authority for authority in authorities for name in _names(authority)})


def answer(
    authority: Authority, request: Request, *, revoked_at: int | None, this_update: int, next_update: int
) -> bytes:
    """Return the authority's answer, DER, signed by itself: revoked since ``revoked_at``, else good.

    Good says no more than that it did not revoke such a serial (RFC 6960 2.2). The answer holds from ``this_update`` to
    ``next_update``, unix seconds; `cryptography` adds when it was produced, by its own clock.
    """
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            request.issuer.name,
            request.issuer.key,
            request.serial,
            _HASHES[request.issuer.hash](),
            ocsp.OCSPCertStatus.GOOD if revoked_at is None else ocsp.OCSPCertStatus.REVOKED,
            as_instant(this_update),
            as_instant(next_update),
            None if revoked_at is None else as_instant(revoked_at),
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, authority.own)
    )
    if request.nonce:
        builder = builder.add_extension(x509.OCSPNonce(request.nonce), critical=False)
    return builder.sign(authority.key.signer, signature_hash(authority.key.key_type)).public_bytes(Encoding.DER)


def _nonce(extensions: x509.Extensions) -> bytes:
    found = b""
    for extension in extensions:
        match extension.value:
            case x509.OCSPNonce(nonce=nonce):
                found = nonce
                if len(found) not in NONCE_BYTES:
                    raise MalformedRequestError("the nonce of an OCSP request has 1 to 128 bytes")
            case _ if extension.critical:
                raise MalformedRequestError("an OCSP request has a critical extension that is not known here")
            case _:
                pass
    return found


def _names(authority: Authority) -> Iterator[Issuer]:
    subject, key = authority.issuer_name.public_bytes(), key_bits(authority.key.signer.public_key())
    for name in _HASHES:
        yield Issuer(name, _hashed(name, subject), _hashed(name, key))


def _hashed(name: str, data: bytes) -> bytes:
    # What certificates are looked up by, as their issuers' digests: RFC 6960 4.1.1. Nothing rests on its strength.
    return hashlib.new(name, data, usedforsecurity=False).digest()
