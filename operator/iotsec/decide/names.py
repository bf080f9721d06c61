"""Names the operator puts on what it makes, and the default names of Secrets."""

from iotsec.api.meta import GROUP

FINALIZER = f"{GROUP}/revoke"
"""On identities: nothing goes before it is cut off. On our Secrets: what was issued stays known until it is revoked."""

COMPONENT = f"{GROUP}/component"
HUB = f"{GROUP}/hub"
ISSUED = f"{GROUP}/issued"
CERTIFICATE_ISSUED = f"{GROUP}/certificate"
SEAL = f"{GROUP}/seal"
CONTENT_HASH = f"{GROUP}/content-hash"
FORCE_DELETE = f"{GROUP}/force-delete"
ROTATE = f"{GROUP}/rotate"
"""On an identity or its Secret: a token nobody heeded yet asks for a rotation now; on a TLSPolicy, for certificates."""
REVOCATION_ADDRESS = f"{GROUP}/revocation-address"
"""On the Lease: where the replica that works tells which certificates are revoked."""
ROTATE_CA = f"{GROUP}/rotate-ca"
"""On a TLSPolicy: a token nobody heeded yet asks for another CA."""

NETWORK = f"{GROUP}/network"
"""On a namespace: the Hubs of which other namespace may write NetworkPolicies in it."""

MANAGED_BY = ("app.kubernetes.io/managed-by", "iot-security-operator")
FIELD_MANAGER = "iotsec"

CREDENTIALS = "credentials"
CERTIFICATE = "certificate"
IDENTITY_KEYS = "identity-keys"
SIGNING_KEYS = "signing-keys"
LEDGER = "ledger"
NATS_CONFIG = "nats-config"
AUTHORITIES = "authorities"
SERVER_CERTIFICATE = "server-certificate"
REVOKED_CERTIFICATES = "revoked-certificates"

USER_JWT_KEY = "user.jwt"
INBOX_KEY = "inbox-prefix"
USERNAME_KEY = "username"
PASSWORD_KEY = "password"  # noqa: S105 - the name of an entry
CA_KEY = "ca.crt"
TLS_CERTIFICATE_KEY = "tls.crt"
TLS_PRIVATE_KEY = "tls.key"
FORMER_CERTIFICATE_KEY = "former.crt"
FORMER_PRIVATE_KEY = "former.key"

OPAQUE = "Opaque"
TLS = "kubernetes.io/tls"


def creds_secret(kind: str, name: str) -> str:
    """Name of an identity's creds Secret where the spec gives none: ``<name>-<kind>-creds``."""
    return f"{name}-{kind.lower()}-creds"


def certificate_secret(kind: str, name: str) -> str:
    """Name of an identity's certificate Secret where the spec gives none: ``<name>-<kind>-tls``."""
    return f"{name}-{kind.lower()}-tls"


def identity_keys_secret(hub: str) -> str:
    """Name of the Secret with a Hub's identity seeds."""
    return f"{hub}-identity-keys"


def signing_keys_secret(hub: str) -> str:
    """Name of the Secret with a Hub's signing seeds."""
    return f"{hub}-signing-keys"


def ledger_secret(hub: str, account: str) -> str:
    """Name of the Secret with an account's revocation ledger."""
    return f"{hub}-ledger-{account}"


def nats_config_secret(hub: str) -> str:
    """Name of the one Secret a nats-server mounts."""
    return f"{hub}-nats-config"


def authorities_secret(hub: str) -> str:
    """Name of the Secret with a Hub's CAs."""
    return f"{hub}-ca"


def server_certificate_secret(hub: str, certificate: str) -> str:
    """Name of the Secret with one of the certificates of a Hub's servers: server, routes or operator."""
    return f"{hub}-{certificate}-tls"


def revoked_certificates_secret(hub: str) -> str:
    """Name of the Secret that tells which certificates ended early."""
    return f"{hub}-revoked-certificates"
