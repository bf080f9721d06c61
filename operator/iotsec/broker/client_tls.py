"""What the operator's own connections are encrypted with, and what it means when that does not work."""

import os
import ssl
from dataclasses import dataclass, field

_CODES = {
    9: "is not valid yet: look at the clocks of the server and of the operator",
    10: "has expired: have the server load a newer one, from the Hub's config Secret",
    62: "is not for that name: write it to the TLSPolicy's spec.listeners.client.dnsNames",
    64: "is not for that address: write it to the TLSPolicy's spec.listeners.client.ipAddresses",
}
"""What OpenSSL's verification finds (``x509_vfy.h``) that is not about the CA."""

_OF_ANOTHER_CA = "is of a CA that the Hub does not trust: mount the Hub's config Secret and reload the server"

_ALERTS = {
    "CERTIFICATE_REQUIRED": (
        "asks for a client certificate and the operator has none: make spec.listeners.client.mode Mutual in the "
        "TLSPolicy, or leave verify out of the server's configuration"
    ),
    "UNKNOWN_CA": (
        "does not know the CA of the operator's certificate: mount the Hub's config Secret and reload the server"
    ),
    "CERTIFICATE_EXPIRED": "finds the operator's certificate expired: look at its clock",
    "CERTIFICATE": "refuses the operator's certificate: its log says why",
    "PROTOCOL_VERSION": "speaks no version of TLS that the operator does: allow 1.2 or 1.3",
    "HANDSHAKE_FAILURE": "has no cipher suite in common with the operator: leave cipherSuites out of the TLSPolicy",
}
"""What a server's alert means (RFC 8446 section 6.2), by part of its name; the first that fits."""


class UnusableTlsError(ValueError):
    """The certificates or the key of our side cannot be used; the message says which."""


class PlainRefusedError(ConnectionError):
    """A server offers no TLS where nothing may go without."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a connection trusts, shows and insists on."""

    ca: bytes = field(repr=False)
    """Certificates to verify servers with, PEM."""
    certificate: bytes = field(default=b"", repr=False)
    """Our own with its chain, PEM; empty where the server asks for none."""
    key: bytes = field(default=b"", repr=False)
    """The key of our certificate, PEM, not encrypted."""
    handshake_first: bool = False
    """The server waits for TLS before it says anything (nats-server ``handshake_first``)."""
    required: bool = True
    """Nothing goes to a server without TLS; ``False`` while servers that have none yet are given it."""
    former: "ClientTls | None" = field(default=None, repr=False)
    """What to do it with instead where that fails: servers have yet to be told of a CA that took another's place."""

    def context(self) -> ssl.SSLContext:
        """Return what verifies a server's chain and name by ``ca`` alone, and shows our certificate.

        Raises:
            UnusableTlsError: a certificate or the key cannot be read, or they do not belong together.

        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies chain and name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # As clients in Go have it: a bundle may end at an intermediate, whose root is nobody's business here.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cadata=self.ca.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise UnusableTlsError("the CA certificates to verify NATS servers with cannot be read") from None
        if self.certificate:
            _show(context, self.certificate, self.key)
        return context


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Have a context show a certificate.

    OpenSSL's Python binding reads it from a file only: one in memory, without a name, that nobody finds afterwards.
    """
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    except ssl.SSLError:
        raise UnusableTlsError("the operator's own certificate for NATS servers cannot be used with its key") from None
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """Answer instead of the terminal, where OpenSSL would ask for the password of a key that has one."""
    return ""


def trouble(error: BaseException, url: str) -> str:
    """Say in words for a condition why there is no TLS with the server at ``url``; empty: that is not the cause."""
    if isinstance(error, UnusableTlsError):
        return str(error)
    if isinstance(error, PlainRefusedError):
        return (
            f"the NATS server at {url} offers no TLS, without which it is told nothing: mount the Hub's config Secret "
            "and reload the server"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the NATS server at {url} {_CODES.get(error.verify_code, _OF_ANOTHER_CA)}"
    if not isinstance(error, ssl.SSLError):
        return ""
    reason = error.reason or ""
    found = next((words for name, words in _ALERTS.items() if "ALERT" in reason and name in reason), None)
    if found is None:
        found = (
            f"makes no TLS connection ({reason.replace('_', ' ').lower() or 'no reason given'}): its log may say why"
        )
    return f"the NATS server at {url} {found}"
