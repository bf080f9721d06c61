"""The names of an identity's Secrets, and which of them is which."""

from collections.abc import Iterable

from iotsec.decide import names
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.views import Declared, Identity


def credential(identity: Identity) -> str:
    """Return the name of an identity's creds Secret."""
    return identity.spec.secret_name or names.creds_secret(identity.kind, identity.name)


def certificate(identity: Identity) -> str:
    """Return the name of an identity's certificate Secret."""
    return identity.spec.certificate.secret_name or names.certificate_secret(identity.kind, identity.name)


def is_certificate(secret: SecretFacts, identity: Declared) -> bool:
    """Tell which of an identity's Secrets this is, by its note, else by its label, else by its name."""
    if secret.note is not None:
        return secret.certificate is not None
    if secret.component in (names.CERTIFICATE, names.CREDENTIALS):
        return secret.component == names.CERTIFICATE
    return isinstance(identity, Identity) and secret.name == certificate(identity) != credential(identity)


def credentials_of(identity: Declared, secrets: Iterable[SecretFacts]) -> tuple[SecretFacts, ...]:
    """Return those of an identity's Secrets that are for credentials."""
    return tuple(secret for secret in secrets if not is_certificate(secret, identity))


def certificates_of(identity: Declared, secrets: Iterable[SecretFacts]) -> tuple[SecretFacts, ...]:
    """Return those of an identity's Secrets that are for certificates."""
    return tuple(secret for secret in secrets if is_certificate(secret, identity))


def current_credential(identity: Declared, secrets: Iterable[SecretFacts]) -> SecretFacts | None:
    """Return the Secret that holds the identity's credential: the one of the wanted name, else the newest of ours."""
    name = credential(identity) if isinstance(identity, Identity) else identity.status.get("secretName", "")
    return max(
        (s for s in credentials_of(identity, secrets) if s.name == name or s.issued is not None),
        key=lambda s: (s.name == name, s.issued.issued_at if s.issued else 0),
        default=None,
    )


def current_certificate(identity: Declared, secrets: Iterable[SecretFacts]) -> SecretFacts | None:
    """Return the Secret that holds the identity's certificate: the one of the wanted name, else the newest of ours."""
    known = (identity.status.get("certificate") or {}).get("secretName", "")
    name = certificate(identity) if isinstance(identity, Identity) else known
    return max(
        (s for s in certificates_of(identity, secrets) if s.name == name or s.certificate is not None),
        key=lambda s: (s.name == name, s.certificate.issued_at if s.certificate else 0),
        default=None,
    )
