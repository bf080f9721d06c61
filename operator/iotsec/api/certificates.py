"""The certificate of an identity."""

from typing import Annotated

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.listeners import DnsName, IpAddress
from iotsec.api.meta import SUBDOMAIN, Timestamp
from iotsec.api.model import Model

_BEGIN = "-----BEGIN CERTIFICATE REQUEST-----"
_KEY = "PRIVATE KEY-----"
_NO_REQUEST = (
    "write a certificate request in PEM, which begins with -----BEGIN CERTIFICATE REQUEST-----, never a private key"
)


class Certificate(Model):
    """What the certificate of an identity says beside who it is."""

    # The message of a broken pattern would show the text, and a private key may stand there by mistake.
    cel_rules = (
        Rule(
            f"!has(self.csr) || self.csr.startsWith('{_BEGIN}') && !self.csr.contains('{_KEY}')",
            _NO_REQUEST,
            path=".csr",
        ),
    )

    dns_names: Annotated[tuple[DnsName, ...], Items(16, kind="set")] = Field(
        default=(), description="DNS names of the identity."
    )
    ip_addresses: Annotated[tuple[IpAddress, ...], Items(16, kind="set")] = Field(
        default=(), description="Addresses of the identity."
    )
    csr: Annotated[str, Text(16384)] | None = Field(
        default=None,
        description="Certificate request in PEM: its key stays on the device; of what it asks for only the key counts.",
    )
    secret_name: Annotated[str, Text(253, SUBDOMAIN, "write the name of a Secret")] | None = Field(
        default=None,
        description="Name of the Secret; by default name, kind and tls, as weather-01-device-tls.",
    )

    @model_validator(mode="after")
    def _asks_with_a_request(self) -> "Certificate":
        if self.csr is not None and (not self.csr.startswith(_BEGIN) or _KEY in self.csr):
            raise ValueError(_NO_REQUEST)
        return self


class CertificateStatus(Model):
    """The certificate in use."""

    secret_name: Annotated[str, Text(253)] | None = Field(default=None, description="Secret that holds it.")
    serial: Annotated[str, Text(64)] | None = Field(default=None, description="Serial number, in hexadecimal.")
    issuer: Annotated[str, Text(64)] | None = Field(default=None, description="Identifier of the CA's key.")
    issued_at: Timestamp | None = Field(default=None, description="When it was issued.")
    expires_at: Timestamp | None = Field(default=None, description="When it ends.")
    renewal_time: Timestamp | None = Field(default=None, description="When it is replaced next.")
    revision: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Count of those issued so far.")


class ForeignCertificate(Model):
    """A certificate of somebody else that the identity was seen to show."""

    subject: Annotated[str, Text(1024)] = Field(description="Its subject.")
    owner: Annotated[str, Text(512)] | None = Field(
        default=None, description="Whose it is, as Device iot/weather-01, where that is known."
    )
    last_seen: Timestamp = Field(description="When it was seen.")
