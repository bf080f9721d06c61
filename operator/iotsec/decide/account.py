"""An account's claims, and the instant of its next JWT."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from iotsec.decide import roles
from iotsec.decide.ledger import Ledger
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, AccountLimits, ScopedKey, UserPermissionLimits, claims_digest
from iotsec.nats.keys import SigningKey

RETIREMENT_SECONDS = 3600
"""How long an account's last JWT outlives the last credential it keeps out."""


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The keys of one account: its identity, one scoped signing key per role, one for users with own claims."""

    name: str
    identity: SigningKey
    unscoped: SigningKey
    scoped: Mapping[str, SigningKey]


@dataclass(frozen=True, slots=True)
class AccountToken:
    """An account JWT with what it says; the token itself never shows in a repr."""

    token: str
    ledger: Ledger

    def __repr__(self) -> str:
        return f"AccountToken(issued_at={self.ledger.issued_at}, revocations={len(self.ledger.entries)})"


def account_claims(keys: AccountKeys, *, inbox: str, ledger: Ledger) -> AccountClaims:
    """Return what the account's JWT must say: its signing keys with their roles' templates, and its revocations."""
    scoped = tuple(
        ScopedKey(
            key=key.public,
            role=role,
            description="",
            template=UserPermissionLimits(permissions=roles.as_scope(roles.role_permissions(role, inbox))),
        )
        for role, key in keys.scoped.items()
    )
    return AccountClaims(
        signing_keys=(keys.unscoped.public, *scoped),
        revocations={key: at for key, (at, _) in ledger.entries.items()},
    )


def issue_account(keys: AccountKeys, *, inbox: str, ledger: Ledger, signer: SigningKey, now: int) -> AccountToken:
    """Sign the account's JWT: the same claims give the same bytes, other claims a later ``iat``.

    ``iat`` is strictly monotonic, also when two changes meet in one second or the clock goes back: the resolvers of a
    cluster take the newer ``iat`` and see no difference within one second (nats-server ``dirstore.go``, saveIfNewer).
    """
    claims = account_claims(keys, inbox=inbox, ledger=ledger)
    digest = claims_digest(claims)
    if digest != ledger.digest:
        ledger = replace(ledger, digest=digest, issued_at=max(now, ledger.issued_at + 1))
    token = jwt.encode(claims, signer, subject=keys.identity.public, name=keys.name, issued_at=ledger.issued_at)
    return AccountToken(token, ledger)


def retirement_token(keys: AccountKeys, *, ledger: Ledger, signer: SigningKey, now: int) -> AccountToken:
    """Sign an account's last JWT: no keys, no connections, and an end once it has nothing left to keep out.

    A bare delete leaves no tombstone: a server that was away seeds the account again on its return. This JWT is newer
    than what that server has, for as long as anything revoked would still be valid; an expired one is dropped by each
    resolver by itself (nats-server ``dirstore.go``; ``nsc delete account`` does the same).
    """
    claims = AccountClaims(limits=AccountLimits(connections=0, leaf_nodes=0))
    issued_at = max(now, ledger.issued_at + 1)
    token = jwt.encode(
        claims,
        signer,
        subject=keys.identity.public,
        name=keys.name,
        issued_at=issued_at,
        expires_at=max(issued_at, *(until for _, until in ledger.entries.values()), 0) + RETIREMENT_SECONDS,
    )
    return AccountToken(token, replace(ledger, issued_at=issued_at, digest=""))
