"""Files of several certificates, as those have them who are to trust several authorities."""

import hashlib
from typing import Final

from cryptography import x509

from iotsec.x509.pem import read_certificates, write_certificates

_DIGEST_LENGTH: Final = 12


def bundle(*pems: bytes) -> bytes:
    """Return all certificates in these texts as one, each once, in the order given, without anything around them.

    A text may be empty. Raises `InvalidCertificateError` where one holds something else.
    """
    found: dict[x509.Certificate, None] = {}
    for pem in pems:
        if pem.strip():
            found.update(dict.fromkeys(read_certificates(pem)))
    return write_certificates(*found)


def separate(pem: bytes) -> tuple[bytes, ...]:
    """Return each certificate of a text as one of its own; raises `InvalidCertificateError`."""
    return tuple(write_certificates(certificate) for certificate in read_certificates(pem))


def digest(pem: bytes) -> str:
    """Return the 12 hex digits that name a file by its contents."""
    return hashlib.sha256(pem).hexdigest()[:_DIGEST_LENGTH]
