"""How a Hub is encrypted, as its identities see it."""

from dataclasses import dataclass, field

from iotsec.api.issuers import IssuerRef
from iotsec.decide.revoked_certificates import RevokedCertificates
from iotsec.decide.rotation import Policy
from iotsec.x509.authority import Authority
from iotsec.x509.keys import KeyType


@dataclass(frozen=True, slots=True)
class TlsView:
    """What identities need to know of their Hub's TLSPolicy and its CA."""

    bundle: bytes
    """What verifies the servers, PEM: the old and the new root while one takes the place of the other."""
    digest: str
    """Names the bundle."""
    mutual: bool
    """Identities are to have certificates."""
    policy: Policy
    """How long certificates live, and when they are renewed."""
    key_type: KeyType
    keep_key: bool
    """A renewed certificate is for the key of the one before."""
    trust_domain: str
    generation: str = ""
    """Names the CA whose certificates are wanted; empty while nothing can be signed."""
    accepted: frozenset[str] = frozenset()
    """The generations whose certificates the servers let in: one of another is replaced at once."""
    authority: Authority | None = None
    """Signs, where the CA's key is at hand; else ``issuer`` is asked."""
    issuer: IssuerRef | None = None
    ocsp_url: str = ""
    crl_url: str = ""
    revoked: RevokedCertificates = field(default_factory=RevokedCertificates)
    """Certificates that ended early, as it is written down."""
    problem: str = ""
    """Why nothing can be signed now; empty where it can. What was issued stays."""
    reissue_deadline: int | None = None
    """Until when certificates of former generations may wait for their turn, in unix seconds."""
