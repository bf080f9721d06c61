"""A Hub's trust root: the operator's and the accounts' keys, kept in two Secrets that nothing mounts.

Identity seeds sign only what only they can (the operator JWT); everything else is signed by signing keys, which a
server in strict mode demands (jwt v2 ``operator_claims.go``, ``strict_signing_key_usage``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iotsec.decide.account import AccountKeys
from iotsec.decide.roles import PRESETS
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, OperatorClaims
from iotsec.nats.keys import InvalidKey, KeyType, Seed, SigningKey
from iotsec.nats.server_config import server_conf

Entropy = Callable[[], bytes]
"""Gives 32 random bytes a call."""

SYSTEM_ACCOUNT = "SYS"
ROLES = tuple(PRESETS)
"""The roles that every account has a scoped signing key for."""

_OPERATOR = "operator"
_SYSTEM = "system"
_RESTORE = "restore the Secret from its backup"


class TrustDamagedError(ValueError):
    """A trust Secret holds something that is no key of the kind it should be."""


@dataclass(frozen=True, slots=True)
class TrustSeeds:
    """The data of both trust Secrets: what they hold, key by key."""

    identity: Mapping[str, bytes]
    signing: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"TrustSeeds({len(self.identity)} identity seeds, {len(self.signing)} signing seeds)"


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Every key a Hub signs with."""

    operator: SigningKey
    operator_signing: SigningKey
    system: SigningKey
    system_signing: SigningKey
    accounts: Mapping[str, AccountKeys]


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The public keys that a Hub's status tells of; once they are out in the world they are its keys for ever."""

    operator: str = ""
    """Empty where none were made yet."""
    system: str = ""
    accounts: Mapping[str, str] = field(default_factory=dict)


def known_keys(status: Mapping[str, Any]) -> KnownKeys:
    """Read the keys from a Hub's status."""
    return KnownKeys(
        operator=status.get("operatorPublicKey", ""),
        system=status.get("systemAccountPublicKey", ""),
        accounts={a["name"]: a["publicKey"] for a in status.get("accounts") or () if a.get("publicKey")},
    )


def check_known(seeds: TrustSeeds, known: KnownKeys) -> None:
    """See that the seeds are those of the keys that are out in the world.

    Raises:
        TrustDamagedError: one is missing, damaged or another; the message names it and never shows it.

    """
    if not known.operator:
        return
    expected = {_OPERATOR: known.operator, _SYSTEM: known.system}
    expected |= {account_identity_key(name): public for name, public in known.accounts.items()}
    for name, public in expected.items():
        kind = KeyType.OPERATOR if name == _OPERATOR else KeyType.ACCOUNT
        if _read(seeds.identity, name, kind).public != public:
            raise TrustDamagedError(f"the seed {name!r} is of another key than this Hub's: {_RESTORE}")
    # Role keys are not looked for: a later version may know roles for which there are none yet.
    for name, kind in _signing_names(known.accounts, ()):
        _read(seeds.signing, name, kind)


def proves_identity(data: Mapping[str, bytes], known: KnownKeys) -> bool:
    """Tell whether a Secret that does not say whose it is holds this Hub's operator key."""
    return bool(known.operator) and _public(data, _OPERATOR) == known.operator


def proves_signing(data: Mapping[str, bytes], config: Mapping[str, bytes], known: KnownKeys) -> bool:
    """Tell whether a Secret that does not say whose it is holds the signing key that this Hub's operator JWT names."""
    try:
        token = jwt.decode(config["operator.jwt"].decode())
    except (KeyError, ValueError):
        return False
    claims = token.claims
    return (
        bool(known.operator)
        and token.issuer == token.subject == known.operator
        and isinstance(claims, OperatorClaims)
        and _public(data, _OPERATOR) in claims.signing_keys
    )


def account_identity_key(account: str) -> str:
    """Name of an account's identity seed in the identity Secret."""
    return f"account.{account}"


def account_names(seeds: TrustSeeds) -> set[str]:
    """Return the accounts that have an identity seed: one that was ever made keeps its revocations."""
    prefix = account_identity_key("")
    return {name.removeprefix(prefix) for name in seeds.identity if name.startswith(prefix)}


def completed(seeds: TrustSeeds, *, accounts: Iterable[str], roles: Iterable[str], entropy: Entropy) -> TrustSeeds:
    """Return the seeds with all that the Hub's accounts and roles need; what exists is never replaced."""
    accounts, roles = tuple(accounts), tuple(roles)
    return TrustSeeds(
        identity=_filled(seeds.identity, _identity_names(accounts), entropy),
        signing=_filled(seeds.signing, _signing_names(accounts, roles), entropy),
    )


def _filled(store: Mapping[str, bytes], wanted: Iterable[tuple[str, KeyType]], entropy: Entropy) -> dict[str, bytes]:
    made = {name: kind for name, kind in wanted if name not in store}
    return {**store, **{name: SigningKey.generate(kind, entropy()).seed.reveal() for name, kind in made.items()}}


def trust_root(seeds: TrustSeeds, *, accounts: Iterable[str], roles: Iterable[str]) -> TrustRoot:
    """Read the keys.

    Raises:
        TrustDamagedError: one is missing or is no seed of its kind; the message names it and never shows it.

    """
    roles = tuple(roles)
    return TrustRoot(
        operator=_read(seeds.identity, _OPERATOR, KeyType.OPERATOR),
        operator_signing=_read(seeds.signing, _OPERATOR, KeyType.OPERATOR),
        system=_read(seeds.identity, _SYSTEM, KeyType.ACCOUNT),
        system_signing=_read(seeds.signing, _SYSTEM, KeyType.ACCOUNT),
        accounts={
            name: AccountKeys(
                name=name,
                identity=_read(seeds.identity, account_identity_key(name), KeyType.ACCOUNT),
                unscoped=_read(seeds.signing, f"account.{name}.unscoped", KeyType.ACCOUNT),
                scoped={role: _read(seeds.signing, f"account.{name}.role.{role}", KeyType.ACCOUNT) for role in roles},
            )
            for name in accounts
        },
    )


def operator_token(trust: TrustRoot, *, name: str, issued_at: int) -> str:
    """Sign the operator JWT: strict, with the one signing key and the system account."""
    claims = OperatorClaims(
        signing_keys=(trust.operator_signing.public,),
        system_account=trust.system.public,
        strict_signing_key_usage=True,
    )
    return jwt.encode(claims, trust.operator, subject=trust.operator.public, name=name, issued_at=issued_at)


def system_claims(trust: TrustRoot) -> AccountClaims:
    """Return the system account's claims."""
    return AccountClaims(signing_keys=(trust.system_signing.public,))


def system_token(trust: TrustRoot, *, issued_at: int) -> str:
    """Sign the system account's JWT."""
    return jwt.encode(
        system_claims(trust),
        trust.operator_signing,
        subject=trust.system.public,
        name=SYSTEM_ACCOUNT,
        issued_at=issued_at,
    )


def nats_config(trust: TrustRoot, *, name: str, existing: Mapping[str, bytes], now: int) -> dict[str, bytes]:
    """Return the data of ``<hub>-nats-config``, byte for byte as it was while what it says has not changed.

    A changed operator JWT needs a restart of every server, so an unchanged one keeps its ``iat``.
    """
    issued_at = _issued_at(existing.get("operator.jwt"), default=now)
    operator_jwt = operator_token(trust, name=name, issued_at=issued_at)
    system_jwt = system_token(trust, issued_at=issued_at)
    if operator_jwt.encode() != existing.get("operator.jwt") and issued_at != now:
        operator_jwt = operator_token(trust, name=name, issued_at=max(now, issued_at + 1))
        system_jwt = system_token(trust, issued_at=max(now, issued_at + 1))
    conf = server_conf(operator_jwt=operator_jwt, system_account=trust.system.public, system_account_jwt=system_jwt)
    empty = {f"{listener}.conf": b"" for listener in ("cluster", "leafnodes", "gateway", "mqtt", "websocket")}
    return {"server.conf": conf.encode(), "operator.jwt": operator_jwt.encode(), **empty}


def system_jwt_of(config: Mapping[str, bytes], trust: TrustRoot) -> str:
    """Return the system account's JWT that goes with this config."""
    return system_token(trust, issued_at=_issued_at(config.get("operator.jwt"), default=0))


def _issued_at(token: bytes | None, *, default: int) -> int:
    if not token:
        return default
    try:
        return jwt.decode(token.decode()).issued_at
    except (jwt.InvalidToken, UnicodeDecodeError):
        return default


def _identity_names(accounts: Iterable[str]) -> Iterator[tuple[str, KeyType]]:
    yield _OPERATOR, KeyType.OPERATOR
    yield _SYSTEM, KeyType.ACCOUNT
    for account in accounts:
        yield account_identity_key(account), KeyType.ACCOUNT


def _signing_names(accounts: Iterable[str], roles: Iterable[str]) -> Iterator[tuple[str, KeyType]]:
    yield _OPERATOR, KeyType.OPERATOR
    yield _SYSTEM, KeyType.ACCOUNT
    roles = tuple(roles)
    for account in accounts:
        yield f"account.{account}.unscoped", KeyType.ACCOUNT
        for role in roles:
            yield f"account.{account}.role.{role}", KeyType.ACCOUNT


def _read(store: Mapping[str, bytes], name: str, kind: KeyType) -> SigningKey:
    try:
        return SigningKey.from_seed(Seed(store[name]), kind)
    except KeyError:
        raise TrustDamagedError(f"the seed {name!r} is missing: {_RESTORE}") from None
    except InvalidKey as error:
        raise TrustDamagedError(f"the seed {name!r} is damaged ({error}): {_RESTORE}") from None


def _public(store: Mapping[str, bytes], name: str) -> str:
    try:
        return SigningKey.from_seed(Seed(store[name])).public
    except (KeyError, InvalidKey):
        return ""
