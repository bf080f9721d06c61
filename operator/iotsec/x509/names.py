"""What a certificate says of whom it is for: a subject, alternative names, and what it may be used for."""

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

COMMON_NAME_LENGTH: Final = 64
"""Characters of a common name at most: RFC 5280 appendix A.1, ub-common-name."""

_DNS_LENGTH: Final = 253
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME: Final = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}")


class InvalidNamesError(ValueError):
    """A name cannot be in a certificate; the message says which and what to write instead."""


class Usage(StrEnum):
    """Which side of TLS a certificate is for; PEER is both, as servers are towards each other."""

    SERVER = "server"
    CLIENT = "client"
    PEER = "peer"

    @property
    def purposes(self) -> tuple[x509.ObjectIdentifier, ...]:
        """The extended key usages."""
        return _PURPOSES[self]


_PURPOSES: Final = {
    Usage.SERVER: (ExtendedKeyUsageOID.SERVER_AUTH,),
    Usage.CLIENT: (ExtendedKeyUsageOID.CLIENT_AUTH,),
    Usage.PEER: (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
}


@dataclass(frozen=True, slots=True)
class Names:
    """Whom a certificate is for. A wildcard is the whole first label of a DNS name.

    Plain data, as read or as wanted: `checked` tells whether a certificate can say so. `short_name` makes a common
    name of any text.
    """

    common_name: str
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()

    @property
    def subject(self) -> x509.Name:
        """The subject, empty without a common name."""
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)] if self.common_name else [])

    @property
    def alternative_names(self) -> tuple[x509.GeneralName, ...]:
        """The subject alternative names, in a canonical order, each once."""
        return (
            *(x509.DNSName(name) for name in sorted(set(self.dns_names))),
            *(x509.IPAddress(address) for address in map(ipaddress.ip_address, sorted(set(self.ip_addresses)))),
            *(x509.UniformResourceIdentifier(uri) for uri in sorted(set(self.uris))),
        )

    def is_same_as(self, other: "Names") -> bool:
        """Tell whether a certificate would say the same, in whatever order and notation this is written."""
        mine, others = set(self.alternative_names), set(other.alternative_names)
        return self.common_name == other.common_name and mine == others


def checked(names: Names) -> Names:
    """Return the names, which a certificate can say; raises `InvalidNamesError` for the first that it cannot."""
    for wrong in _wrong(names):
        raise InvalidNamesError(wrong)
    return names


def _wrong(names: Names) -> Iterator[str]:
    common_name = names.common_name
    if len(common_name) > COMMON_NAME_LENGTH:
        yield f"a common name has at most {COMMON_NAME_LENGTH} characters, not {len(common_name)}: write a shorter one"
    if not common_name.isprintable() or common_name != common_name.strip():
        yield "a common name has no control characters in it and no white space around it: leave them out"
    if not (common_name or names.dns_names or names.ip_addresses or names.uris):
        yield "a certificate is for somebody: write a common name, a DNS name, an address or a URI"
    for name in names.dns_names:
        if len(name) > _DNS_LENGTH or not _DNS_NAME.fullmatch(name):
            yield f"{name!r} is no DNS name: write labels of letters, digits and hyphens, such as nats.example.com"
    for address in names.ip_addresses:
        if not _is_address(address):
            yield f"{address!r} is no IP address: write one such as 192.0.2.7 or 2001:db8::7"
    for uri in names.uris:
        if not _is_uri(uri):
            yield f"{uri!r} is no URI with a host: write one such as spiffe://example.com/device"


def short_name(text: str) -> str:
    """Return `text` as a common name: a long one's beginning, and a digest of the whole that tells it from others."""
    if len(text) <= COMMON_NAME_LENGTH:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: COMMON_NAME_LENGTH - len(digest) - 1]}-{digest}"


def names_of(subject: x509.Name, extensions: x509.Extensions) -> Names:
    """Return what a certificate says of whom it is for; other kinds of alternative names are left out."""
    common_names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        found = x509.SubjectAlternativeName([])
    return Names(
        common_name=str(common_names[0].value) if common_names else "",
        dns_names=tuple(found.get_values_for_type(x509.DNSName)),
        ip_addresses=tuple(str(address) for address in found.get_values_for_type(x509.IPAddress)),
        uris=tuple(found.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone is of one machine


def _is_uri(text: str) -> bool:
    """Tell whether it has a scheme and a host (RFC 5280 4.2.1.6), in ASCII without white space."""
    if not (text.isascii() and text.isprintable()) or " " in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.hostname)
