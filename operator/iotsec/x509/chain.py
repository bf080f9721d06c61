"""The certificates from an authority up to its root, and all that would make verifiers refuse what it signs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from iotsec.x509.instants import as_instant
from iotsec.x509.keys import key_type
from iotsec.x509.pem import UNREADABLE

_WEAK_HASHES: Final = (hashes.MD5, hashes.SHA1)
_LENGTH: Final = 8
_TLS_PURPOSES: Final = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class UnusableAuthorityError(ValueError):
    """A CA cannot issue what would be accepted: the message says why and what to do, and shows no key material."""


@dataclass(frozen=True, slots=True)
class Chain:
    """An authority's own certificate, the intermediates above it, lowest first, and the root, which may be its own."""

    own: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    root: x509.Certificate

    @property
    def presented(self) -> tuple[x509.Certificate, ...]:
        """What goes after a leaf in a handshake: all but the root."""
        return () if self.own == self.root else (self.own, *self.intermediates)

    @property
    def all(self) -> tuple[x509.Certificate, ...]:
        """Every certificate, the authority's own first and the root last."""
        return (self.own,) if self.own == self.root else (self.own, *self.intermediates, self.root)


def read_chain(certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: int) -> Chain:
    """Return the chain of the first of `certificates`, found among the others and `roots`, usable at `now`.

    Raises `UnusableAuthorityError` by the rules of RFC 5280 6.1 that Go and OpenSSL go by.
    """
    own, *others = certificates
    found = [own]
    while not _self_issued(found[-1]):
        found.append(_issuer(found[-1], [*others, *roots]))
        if len(found) > _LENGTH:
            raise UnusableAuthorityError(f"the chain has more than {_LENGTH} certificates: leave out what is not of it")
    for depth, certificate in enumerate(found):
        for wrong in _wrong(certificate, depth, now):
            raise UnusableAuthorityError(f"{_called(certificate, depth, found)} {wrong}")
    if roots and found[-1] not in roots:
        raise UnusableAuthorityError(
            f"the chain ends at {_subject(found[-1])}, which is not in the root given: give the root of this chain"
        )
    return Chain(own=own, intermediates=tuple(found[1:-1]), root=found[-1])


def _self_issued(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer and _signed_by(certificate, certificate)


def _issuer(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate:
    named = [candidate for candidate in candidates if candidate.subject == certificate.issuer]
    for candidate in named:
        if _signed_by(certificate, candidate):
            return candidate
    if named:
        raise UnusableAuthorityError(
            f"the chain is broken: {_subject(named[0])} has not signed {_subject(certificate)}, though it has the name "
            "of its issuer: write the certificate of that issuer"
        )
    raise UnusableAuthorityError(
        f"the chain is broken: the certificate of {certificate.issuer.rfc4514_string()!r}, which issued "
        f"{_subject(certificate)}, is missing: append it, and all others up to the root"
    )


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (TypeError, InvalidSignature, *UNREADABLE):
        # A weak signature cannot be verified everywhere: by its names it is taken for what `_wrong` refuses.
        return _has_weak_signature(certificate) and certificate.issuer == issuer.subject
    return True


def _has_weak_signature(certificate: x509.Certificate) -> bool:
    try:
        return isinstance(certificate.signature_hash_algorithm, _WEAK_HASHES)
    except UnsupportedAlgorithm:
        return True


def _wrong(certificate: x509.Certificate, depth: int, now: int) -> Iterator[str]:
    """Tell what is wrong with a CA certificate that has `depth` others between it and the leaves."""
    if certificate.not_valid_after_utc <= as_instant(now):
        yield f"expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}: renew it"
    if certificate.not_valid_before_utc > as_instant(now):
        yield f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}: wait, or issue it again"
    if _has_weak_signature(certificate):
        yield "is signed with SHA-1 or weaker: issue it again with SHA-256 or stronger"
    if not certificate.public_bytes(Encoding.DER).endswith(b"\0" + certificate.signature):
        # A bit string may have up to seven bits less: OpenSSL reads over that, Go moves all bits of the signature.
        yield "has a signature that is not of whole octets: issue it again"
    try:
        key_type(certificate.public_key())
    except UNREADABLE as weak:
        yield f"has a key that is not used: {weak}"
    try:
        yield from _wrong_extensions(certificate.extensions, depth)
    except UNREADABLE:
        yield "has extensions that cannot be read: issue it again"


def _wrong_extensions(extensions: x509.Extensions, depth: int) -> Iterator[str]:
    constraints = _found(extensions, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield "is not a CA: write one whose basic constraints say CA:TRUE"
    elif constraints.path_length is not None and constraints.path_length < depth:
        yield (
            f"has a path length of {constraints.path_length} above {depth} more authorities: "
            "let the lowest that it allows sign, or issue it again with a greater path length"
        )
    usage = _found(extensions, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:  # without the extension it may all (RFC 5280 4.2.1.3)
        yield "may not sign certificates: issue it again with keyCertSign in its key usage"
    purposes = set(_found(extensions, x509.ExtendedKeyUsage) or _TLS_PURPOSES)
    # Go and OpenSSL hold leaves to the purposes of every authority above them.
    if not (purposes >= _TLS_PURPOSES or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes):
        yield "may not issue for TLS: issue it again with serverAuth and clientAuth, or no extended key usage"


def _found(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _called(certificate: x509.Certificate, depth: int, chain: Sequence[x509.Certificate]) -> str:
    if depth == 0:
        return f"the CA certificate {_subject(certificate)}"
    return f"the {'root' if depth == len(chain) - 1 else 'intermediate'} {_subject(certificate)}"


def _subject(certificate: x509.Certificate) -> str:
    return repr(certificate.subject.rfc4514_string())
