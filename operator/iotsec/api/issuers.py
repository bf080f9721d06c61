"""Who issues the certificates of a Hub."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.durations import Duration, shorter
from iotsec.api.meta import SUBDOMAIN
from iotsec.api.model import Model
from iotsec.api.rotation import Window

DEFAULT_DURATION = timedelta(hours=2160)
DEFAULT_CA_DURATION = timedelta(hours=43800)
DEFAULT_DISTRIBUTE = timedelta(hours=1)

_BEFORE_END = "renewBefore must be shorter than duration, which is 2160h unless given: write a shorter renewBefore"
_ONE_OF = "write renewBefore or renewBeforePercentage, not both"
_SIZES = "write size 256 or 384 for ECDSA, 2048, 3072 or 4096 for RSA, and none for Ed25519"
_ONE_ISSUER = "write one of selfSigned, ca and certManager"


class PrivateKey(Model):
    """What private keys are like."""

    cel_rules = (
        Rule(
            "!has(self.size) || (has(self.algorithm) && self.algorithm != 'ECDSA' "
            "? self.algorithm == 'RSA' && self.size in [2048, 3072, 4096] : self.size in [256, 384])",
            _SIZES,
            path=".size",
        ),
    )

    algorithm: Literal["ECDSA", "RSA", "Ed25519"] = Field(default="ECDSA", description="ECDSA by default.")
    size: Annotated[int, Field(ge=256, le=4096)] | None = Field(
        default=None, description="Bits: 256 for ECDSA, 2048 for RSA by default."
    )
    rotation_policy: Literal["Always", "Never"] = Field(
        default="Always", description="Always, the default: each certificate has a key of its own; Never: it is kept."
    )

    @model_validator(mode="after")
    def _has_a_size_of_its_own(self) -> "PrivateKey":
        sizes = {"ECDSA": (256, 384), "RSA": (2048, 3072, 4096), "Ed25519": ()}[self.algorithm]
        if self.size is not None and self.size not in sizes:
            raise ValueError(_SIZES)
        return self

    @property
    def effective_size(self) -> int:
        """The size, given or by default; 0 where there is nothing to choose."""
        return self.size or {"ECDSA": 256, "RSA": 2048, "Ed25519": 0}[self.algorithm]


class Certificates(Model):
    """Life of the certificates, of servers and of identities."""

    cel_rules = (
        Rule(
            f"!has(self.renewBefore) || !has(self.duration) || {shorter('self.renewBefore', 'self.duration')}",
            _BEFORE_END,
            path=".renewBefore",
        ),
        Rule(
            "!has(self.renewBefore) || has(self.duration) || " + shorter("self.renewBefore", "'2160h'"),
            _BEFORE_END,
            path=".renewBefore",
        ),
        Rule("!has(self.renewBefore) || !has(self.renewBeforePercentage)", _ONE_OF, path=".renewBeforePercentage"),
    )

    duration: Duration | None = Field(default=None, description="How long a certificate is valid; 2160h by default.")
    renew_before: Duration | None = Field(
        default=None, description="How long before its end it is renewed; a third of its life by default."
    )
    renew_before_percentage: Annotated[int, Field(ge=1, le=99)] | None = Field(
        default=None, description="The same as a share of what the one in use really lives, in percent."
    )
    private_key: PrivateKey = Field(default=PrivateKey(), description="What their keys are like.")
    windows: Annotated[tuple[Window, ...], Items(16)] = Field(
        default=(), description="Times in which they are renewed; those of the Hub by default."
    )

    @model_validator(mode="after")
    def _renews_before_the_end(self) -> "Certificates":
        if self.renew_before is not None and self.renew_before >= (self.duration or DEFAULT_DURATION):
            raise ValueError(_BEFORE_END)
        if self.renew_before is not None and self.renew_before_percentage is not None:
            raise ValueError(_ONE_OF)
        return self


class SelfSigned(Model):
    """A certificate authority that the operator makes and keeps."""

    duration: Duration | None = Field(default=None, description="How long the CA is valid; 43800h by default.")
    private_key: PrivateKey = Field(default=PrivateKey(), description="What its key is like.")


class CaIssuer(Model):
    """A certificate authority of yours, a root or an intermediate."""

    secret_name: Annotated[str, Text(253, SUBDOMAIN, "write the name of a Secret")] = Field(
        description="Secret beside the Hub: tls.crt, the CA and what signed it; tls.key; ca.crt, its root."
    )


class IssuerRef(Model):
    """An issuer of cert-manager, or of another that answers its CertificateRequests."""

    name: Annotated[str, Text(253, SUBDOMAIN, "write the name of an issuer")] = Field(description="Name of the issuer.")
    kind: Annotated[str, Text(63, "^[A-Z][A-Za-z0-9]*$", "write a kind, such as Issuer or ClusterIssuer")] = Field(
        default="Issuer", description="Kind of the issuer; Issuer by default."
    )
    group: Annotated[str, Text(253, SUBDOMAIN, "write an API group, such as cert-manager.io")] = Field(
        default="cert-manager.io", description="API group of the issuer; cert-manager.io by default."
    )


class CertManager(Model):
    """Certificates are asked for with CertificateRequests in the namespace of the Hub."""

    issuer_ref: IssuerRef = Field(description="Who signs them.")


class Issuer(Model):
    """Who signs; exactly one of these."""

    cel_rules = (
        Rule("[has(self.selfSigned), has(self.ca), has(self.certManager)].filter(x, x).size() == 1", _ONE_ISSUER),
    )

    self_signed: SelfSigned | None = Field(default=None, description="A CA of the Hub's own; the default.")
    ca: CaIssuer | None = Field(default=None, description="A CA of yours.")
    cert_manager: CertManager | None = Field(default=None, description="An issuer of cert-manager.")

    @model_validator(mode="after")
    def _is_one(self) -> "Issuer":
        if [self.self_signed, self.ca, self.cert_manager].count(None) != 2:  # noqa: PLR2004 - all but one
            raise ValueError(_ONE_ISSUER)
        return self


class CaRotation(Model):
    """How one CA takes the place of another."""

    retire: Literal["AfterConvergence", "AtExpiry", "Immediate"] = Field(
        default="AfterConvergence",
        description="When the former CA is trusted no more: once nobody uses it, when it expires, or at once.",
    )
    distribute_for: Duration | None = Field(
        default=None,
        description="How long everybody has the new CA before it is used, 1h by default; Immediate does not wait.",
    )
