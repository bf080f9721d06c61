"""Where a certificate says that its revocation can be asked for."""

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from iotsec.x509.pem import InvalidCertificateError, read_certificates


def ocsp_url(pem: bytes) -> str:
    """Return the first OCSP responder that the first certificate of a text names (RFC 5280 4.2.2.1); "" for none.

    Raises `InvalidCertificateError`.
    """
    try:
        found = read_certificates(pem)[0].extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ""
    except (ValueError, x509.DuplicateExtension):
        raise InvalidCertificateError("this certificate has extensions that cannot be read: issue it again") from None
    ocsp = AuthorityInformationAccessOID.OCSP
    return next((str(one.access_location.value) for one in found if one.access_method == ocsp), "")
