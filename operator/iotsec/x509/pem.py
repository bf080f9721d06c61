"""Certificates out of PEM."""

import warnings
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""All that `cryptography` raises while it reads something that is not as it should be, at once or when asked for it."""


class InvalidCertificateError(ValueError):
    """A text holds no certificate that can be read. The message never holds any of it: a key may be in there."""


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of `pem` in their order, one or more; raises `InvalidCertificateError`.

    Text around the blocks is passed over, and so is a key: some files have all in one.
    """
    try:
        with warnings.catch_warnings():
            # Of what RFC 5280 forbids and all still read, as a CA with the serial 0; stderr is no place to tell of it.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            found = x509.load_pem_x509_certificates(pem)
        for certificate in found:
            _ = certificate.subject, certificate.issuer  # they are read when asked for, and all that follows asks
    except UNREADABLE:
        raise InvalidCertificateError(
            "this is no certificate: write PEM, the lines from BEGIN CERTIFICATE to END CERTIFICATE unchanged"
        ) from None
    return found


def serial_of(certificate: x509.Certificate) -> int:
    """Return the serial number, whatever RFC 5280 says of such a one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return certificate.serial_number


def write_certificates(*certificates: x509.Certificate) -> bytes:
    """Return PEM of the certificates in this order, as canonical as `cryptography` writes it."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def public_of(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate, DER; raises `InvalidCertificateError` for an unknown kind."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UNREADABLE:
        raise InvalidCertificateError(
            "the key of this certificate is of an unknown kind: issue it again with an ECDSA, RSA or Ed25519 key"
        ) from None
