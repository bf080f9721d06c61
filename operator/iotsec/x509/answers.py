"""Certificates that another authority signed by a request of ours: used only where they are what was asked for.

Who signs may be wrong, or somebody else than we think.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iotsec.x509.chain import Chain, UnusableAuthorityError, read_chain
from iotsec.x509.instants import as_instant, as_seconds
from iotsec.x509.names import Names, Usage
from iotsec.x509.pem import UNREADABLE, InvalidCertificateError, public_of, read_certificates, write_certificates

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class AnswerRefusedError(ValueError):
    """An answer is not the certificate that was asked for; the message says in what, and never holds any of it."""


@dataclass(frozen=True, slots=True)
class SignedElsewhere:
    """A certificate that is what was asked for; instants in unix seconds."""

    certificate: bytes
    """The leaf and what signed it, PEM, in the order of a handshake, without the root."""
    root: bytes
    """What it leads to, PEM."""
    starts_at: int
    expires_at: int
    """When it ends, or an authority above it, whichever is first."""


def check_answer(
    certificate: bytes, ca: bytes, *, names: Names, usage: Usage, public: bytes, now: int
) -> SignedElsewhere:
    """Return an answer, both PEM, that is for this key (SubjectPublicKeyInfo, DER) and these names, and has a root.

    The root is looked for in `ca`, at the end of `certificate` where `ca` is empty. A certificate that is not valid
    yet is returned, too. `now` in unix seconds.

    Raises `AnswerRefusedError`: RFC 5280 6.1, as Go and OpenSSL go by it, and nothing that was not asked for.
    """
    leaf, *others = _read(certificate, "the certificate")
    told = _read(ca, "the CA that is told") if ca.strip() else []
    try:
        wrong = next(_wrong(leaf, names, usage, public, now), "")
    except UNREADABLE:
        wrong = "has a key or extensions that cannot be read"
    if wrong:
        raise AnswerRefusedError(f"the certificate {wrong}")
    chain = _chain(leaf, others, told, now)
    return SignedElsewhere(
        certificate=write_certificates(leaf, *chain.presented),
        root=write_certificates(chain.root),
        starts_at=as_seconds(leaf.not_valid_before_utc),
        expires_at=min(as_seconds(one.not_valid_after_utc) for one in (leaf, *chain.all)),
    )


def _read(pem: bytes, what: str) -> list[x509.Certificate]:
    try:
        return read_certificates(pem)
    except InvalidCertificateError:
        raise AnswerRefusedError(f"{what} is not PEM") from None


def _wrong(leaf: x509.Certificate, names: Names, usage: Usage, public: bytes, now: int) -> Iterator[str]:
    """Tell in what a certificate is not what was asked for, the worst first."""
    if public_of(leaf) != public:
        yield "is for another key than was asked for"
    if leaf.not_valid_after_utc <= as_instant(now):
        yield f"ended at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    constraints = _found(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        yield "is one of a CA, which was not asked for"
    common_names = [name.value for name in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if common_names != ([names.common_name] if names.common_name else []):
        yield f"has not the common name {names.common_name!r} alone, which was asked for"
    found, wanted = set(_found(leaf, x509.SubjectAlternativeName) or ()), set(names.alternative_names)
    for foreign in found - wanted:
        yield f"has the name {str(foreign.value)!r}, which was not asked for"
    for missing in wanted - found:
        yield f"has not the name {str(missing.value)!r}, which was asked for"
    purposes = set(_found(leaf, x509.ExtendedKeyUsage) or {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
    anything = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes
    if not purposes >= set(usage.purposes) and not anything:
        yield f"is not for the {usage} in TLS: let the issuer sign the extended key usages of the request"
    # Who may ask for DNS names could be taken for a server by its clients.
    if usage is Usage.CLIENT and (anything or ExtendedKeyUsageOID.SERVER_AUTH in purposes):
        yield "is good for a server, too: let the issuer sign the extended key usages of the request and no others"


def _chain(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], told: Sequence[x509.Certificate], now: int
) -> Chain:
    """Return the authorities above a leaf, up to one of the roots."""
    roots = [one for one in told or others if _issued(one, one)]
    if not roots:
        # OpenSSL takes nothing but a root for an anchor, unless it is told to.
        what = "as its CA an intermediate" if told else "no CA"
        raise AnswerRefusedError(
            f"the issuer tells {what}, so that nobody can verify the certificate: append the root to the certificates "
            "that the issuer signs with, or use an issuer that tells it"
        )
    above = [*others, *told]
    signer = next((one for one in above if _issued(leaf, one)), None)
    if signer is None:
        raise AnswerRefusedError("none of the CAs that came with the certificate has signed it")
    try:
        return read_chain([signer, *(one for one in above if one != signer)], roots, now)
    except UnusableAuthorityError as unusable:
        raise AnswerRefusedError(str(unusable)) from None
    except UNREADABLE:
        raise AnswerRefusedError("a CA above the certificate has extensions that cannot be read") from None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    with suppress(TypeError, InvalidSignature, *UNREADABLE):
        certificate.verify_directly_issued_by(issuer)
        return True
    return False


def _found(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
