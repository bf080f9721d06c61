"""Certificate revocation lists: what an authority says of those of its certificates that ended early."""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iotsec.x509.authority import Authority
from iotsec.x509.instants import as_instant
from iotsec.x509.keys import signature_hash


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that ended early, ``at`` a unix second; for what reason, lists need not say (RFC 5280 5.3.1)."""

    serial: int
    at: int


def crl(authority: Authority, revoked: Iterable[Revoked], *, number: int, issued_at: int, next_update: int) -> bytes:
    """Return the list of what an authority has revoked, DER, as complete as the argument.

    ``number`` grows with every list that says something else or says it at another time (RFC 5280 5.2.3); instants are
    unix seconds. Entries come by serial: the same arguments make the same bytes to sign.
    """
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.issuer_name,
        last_update=as_instant(issued_at),
        next_update=as_instant(next_update),
        revoked_certificates=[_entry(one) for one in sorted(revoked, key=lambda one: one.serial)],
    )
    builder = builder.add_extension(authority.authority_key_id, critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    return builder.sign(authority.key.signer, signature_hash(authority.key.key_type)).public_bytes(Encoding.DER)


def _entry(revoked: Revoked) -> x509.RevokedCertificate:
    return x509.RevokedCertificateBuilder(revoked.serial, as_instant(revoked.at)).build()
