"""Names the operator puts on what it makes, and the default names of Secrets."""

from iotsec.api.meta import GROUP

FINALIZER = f"{GROUP}/revoke"
"""On identities: nothing goes before it is cut off. On our Secrets: what was issued stays known until it is revoked."""

COMPONENT = f"{GROUP}/component"
HUB = f"{GROUP}/hub"
ISSUED = f"{GROUP}/issued"
SEAL = f"{GROUP}/seal"
CONTENT_HASH = f"{GROUP}/content-hash"
FORCE_DELETE = f"{GROUP}/force-delete"
ROTATE = f"{GROUP}/rotate"
"""On an identity or its Secret: a token nobody heeded yet asks for a rotation now."""

MANAGED_BY = ("app.kubernetes.io/managed-by", "iot-security-operator")
FIELD_MANAGER = "iotsec"

CREDENTIALS = "credentials"
IDENTITY_KEYS = "identity-keys"
SIGNING_KEYS = "signing-keys"
LEDGER = "ledger"
NATS_CONFIG = "nats-config"

USER_JWT_KEY = "user.jwt"
INBOX_KEY = "inbox-prefix"
USERNAME_KEY = "username"
PASSWORD_KEY = "password"  # noqa: S105 - the name of an entry


def creds_secret(kind: str, name: str) -> str:
    """Name of an identity's creds Secret where the spec gives none: ``<name>-<kind>-creds``."""
    return f"{name}-{kind.lower()}-creds"


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
