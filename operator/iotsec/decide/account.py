"""An account's claims, and the instant of its next JWT."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from iotsec.decide import roles
from iotsec.decide.ledger import Ledger
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, AccountLimits, ScopedKey, UserPermissionLimits, claims_digest
from iotsec.nats.keys import SigningKey

RETIREMENT_SECONDS = 3600
"""How long an account's last JWT outlives the last credential it keeps out."""


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The keys of one account; of signing keys that are being replaced all generations, the oldest first."""

    name: str
    public: str
    """Public key of its identity."""
    seal: SigningKey
    """What notes on Secrets are sealed with; never replaced."""
    unscoped: tuple[SigningKey, ...]
    """For users with claims of their own."""
    scoped: Mapping[str, tuple[SigningKey, ...]]
    """By role."""

    def every_signer(self) -> frozenset[str]:
        """Return the public halves of all its signing keys."""
        return frozenset(key.public for keys in (self.unscoped, *self.scoped.values()) for key in keys)

    def signers(self, role: str | None) -> tuple[SigningKey, ...]:
        """Return the keys that sign for a role, or, without one, for users with claims of their own."""
        return self.unscoped if role is None else self.scoped.get(role, ())


@dataclass(frozen=True, slots=True)
class AccountDefinition:
    """What an account's JWT says, but for its revocations: equal definitions give equal claims."""

    keys: AccountKeys
    roles: Mapping[str, UserPermissionLimits]
    """What each role grants that has scoped keys, as templates with ``{id}``."""
    base: AccountClaims = field(default_factory=AccountClaims)
    """Limits, default permissions, imports and exports; of an account that was there before us all that it said."""


@dataclass(frozen=True, slots=True)
class AccountToken:
    """An account JWT with what it says; the token itself never shows in a repr."""

    token: str
    ledger: Ledger

    def __repr__(self) -> str:
        return f"AccountToken(issued_at={self.ledger.issued_at}, revocations={len(self.ledger.entries)})"


def account_claims(account: AccountDefinition, *, ledger: Ledger) -> AccountClaims:
    """Return what the account's JWT must say: its signing keys with their roles' templates, and its revocations."""
    keys = account.keys
    scoped = tuple(
        ScopedKey(key=key.public, role=role, description="", template=roles.as_scope(account.roles[role]))
        for role in keys.scoped
        for key in keys.scoped[role]
        if role in account.roles and roles.fits_scope(account.roles[role])
    )
    return replace(
        account.base,
        signing_keys=(*account.base.signing_keys, *(key.public for key in keys.unscoped), *scoped),
        revocations={**account.base.revocations, **ledger.revocations()},
    )


def issue_account(account: AccountDefinition, *, ledger: Ledger, signer: SigningKey, now: int) -> AccountToken:
    """Sign the account's JWT: the same claims give the same bytes, other claims a later ``iat``.

    ``iat`` is strictly monotonic, also when two changes meet in one second or the clock goes back: the resolvers of a
    cluster take the newer ``iat`` and see no difference within one second (nats-server ``dirstore.go``, saveIfNewer).
    """
    keys = account.keys
    if ledger.adopted is not None:
        ledger = replace(ledger, adopted=ledger.adopted.with_ours(keys.every_signer()))
    claims = account_claims(account, ledger=ledger)
    digest = claims_digest(claims, name=signer.public)
    if digest != ledger.digest:
        granted = {role: limits.to_json() for role, limits in account.roles.items()}
        ledger = replace(ledger, digest=digest, issued_at=max(now, ledger.issued_at + 1), roles=granted)
    token = _encoded(claims, keys, ledger, signer)
    if ledger.adopted is not None:
        ledger = replace(ledger, adopted=ledger.adopted.with_signed(token))
    return AccountToken(token, ledger)


def released_token(keys: AccountKeys, *, ledger: Ledger, signer: SigningKey, now: int) -> AccountToken:
    """Sign the JWT that gives an adopted account back: all that it said, none of our keys, and what was cut off.

    Raises:
        ValueError: the account was not adopted.

    """
    if ledger.adopted is None:
        raise ValueError("an account of our own is retired, not given back")
    theirs = ledger.adopted.claims
    ledger = replace(ledger, issued_at=max(now, ledger.issued_at + 1), digest="")
    claims = replace(theirs, revocations=ledger.revocations())
    return AccountToken(_encoded(claims, keys, ledger, signer), ledger)


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
        subject=keys.public,
        name=keys.name,
        issued_at=issued_at,
        expires_at=max(issued_at, *(until for _, until in ledger.entries.values()), 0) + RETIREMENT_SECONDS,
    )
    return AccountToken(token, replace(ledger, issued_at=issued_at, digest=""))


def _encoded(claims: AccountClaims, keys: AccountKeys, ledger: Ledger, signer: SigningKey) -> str:
    """Sign the claims, within the times that an adopted account was given."""
    adopted = ledger.adopted
    return jwt.encode(
        claims,
        signer,
        subject=keys.public,
        name=keys.name,
        issued_at=ledger.issued_at,
        expires_at=adopted.expires_at if adopted else None,
        not_before=adopted.not_before if adopted else None,
        audience=adopted.audience if adopted else "",
    )
