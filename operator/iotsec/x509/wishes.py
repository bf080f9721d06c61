"""What a certificate signing request asks for, as an issuer sees it who goes by what a request says."""

from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509

from iotsec.x509.certificate import leaf_key_usage
from iotsec.x509.keys import UnusableKeyError, public_bytes, read_public
from iotsec.x509.names import Names, Usage
from iotsec.x509.pem import UNREADABLE
from iotsec.x509.requests import RequestRefusedError

_KEY_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)

_SIDES: Final = {side.purposes[0]: side for side in (Usage.SERVER, Usage.CLIENT)}

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request asks for."""

    public: bytes
    """The key it is for: SubjectPublicKeyInfo, DER."""
    key_usages: tuple[str, ...]
    """The bits of RFC 5280 4.2.1.3, words with underscores; those of a leaf where it does not say."""
    purposes: tuple[Usage, ...]
    """The sides of TLS, in the order of the request; empty where it does not say."""
    subject: x509.Name
    alternative_names: frozenset[x509.GeneralName]

    def are_for(self, names: Names, usage: Usage) -> bool:
        """Tell whether these names are asked for, and no others, and this use of them."""
        return (
            self.subject == names.subject
            and self.alternative_names == set(names.alternative_names)
            and (not self.purposes or set(self.purposes) == set(sides(usage)))
        )


def sides(usage: Usage) -> tuple[Usage, ...]:
    """Return the sides of TLS that a usage stands for, as its extended key usages have them: a peer is on both."""
    return tuple(_SIDES[purpose] for purpose in usage.purposes)


def read_wishes(pem: bytes, usage: Usage) -> Wishes:
    """Return what a request for this usage asks for; raises `RequestRefusedError` where it cannot be read.

    Whether its sender holds the key, and may have what he asks for, is for `read_request` to say.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        public = public_bytes(request.public_key())  # type: ignore[arg-type] # others are refused by the next line
        key, subject, extensions = read_public(public), request.subject, request.extensions
    except (UnusableKeyError, *UNREADABLE):
        raise RequestRefusedError("this is no request that can be read: write PKCS#10 in PEM") from None
    key_usage = _found(extensions, x509.KeyUsage) or leaf_key_usage(key, usage)
    purposes = _found(extensions, x509.ExtendedKeyUsage) or ()
    return Wishes(
        public=public,
        key_usages=tuple(name for name in _KEY_USAGES if getattr(key_usage, name)),
        purposes=tuple(_SIDES[purpose] for purpose in purposes if purpose in _SIDES),
        subject=subject,
        alternative_names=frozenset(_found(extensions, x509.SubjectAlternativeName) or ()),
    )


def _found(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
