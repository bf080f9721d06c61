"""Which root vouches for a certificate."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from iotsec.x509.pem import InvalidCertificateError, read_certificates, write_certificates


def leads_to(chain: bytes, root: bytes) -> bool:
    """Tell whether the last certificate of a chain, as servers present it, was issued by a root; both PEM."""
    try:
        last, anchor = read_certificates(chain)[-1], read_certificates(root)[0]
        last.verify_directly_issued_by(anchor)
    except (InvalidCertificateError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def lone_root(chain: bytes) -> bytes:
    """Return the self-signed certificate that a chain ends with, PEM; empty where it ends with another."""
    try:
        last = read_certificates(chain)[-1]
        last.verify_directly_issued_by(last)
    except (InvalidCertificateError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return b""
    return write_certificates(last)
