"""A Hub's trust root: every key it signs with, and how they are known again.

Identity seeds sign only what only they can (the operator JWT); everything else is signed by signing keys, which a
server in strict mode demands (jwt v2 ``operator_claims.go``, ``strict_signing_key_usage``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iotsec.decide.account import AccountKeys
from iotsec.decide.seeds import (
    OPERATOR,
    RESTORE,
    SYSTEM,
    OperatorPhase,
    Roles,
    TrustDamagedError,
    TrustSeeds,
    account_identity,
    account_seal,
    generations,
    public_of,
    read,
    read_all,
    records,
    role_key,
    signing_names,
    unscoped_key,
)
from iotsec.nats import jwt
from iotsec.nats.claims import OperatorClaims
from iotsec.nats.keys import KeyType, SigningKey


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Every key a Hub signs with; of those that are being replaced all generations, the oldest first."""

    operator: SigningKey
    operator_signing: tuple[SigningKey, ...]
    system: SigningKey
    system_signing: tuple[SigningKey, ...]
    accounts: Mapping[str, AccountKeys]
    operator_phase: OperatorPhase = OperatorPhase.NONE

    @property
    def account_signer(self) -> SigningKey:
        """The operator's signing key that every server trusts, and account JWTs are signed with."""
        renewed = self.operator_phase in {OperatorPhase.RESIGNING, OperatorPhase.RESIGNED}
        return self.operator_signing[-1 if renewed else 0]

    @property
    def account_signers(self) -> frozenset[str]:
        """Public halves of the keys that account JWTs of this Hub may be signed with."""
        return frozenset(key.public for key in self.operator_signing)

    @property
    def operator_public(self) -> str:
        """Public key of the operator's identity."""
        return self.operator.public

    @property
    def system_public(self) -> str:
        """Public key of the system account."""
        return self.system.public

    @property
    def operator_announced(self) -> tuple[SigningKey, ...]:
        """The signing keys that the operator JWT names."""
        return self.operator_signing[-1 if self.operator_phase is OperatorPhase.RESIGNED else 0 :]


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
    expected = {OPERATOR: known.operator, SYSTEM: known.system}
    expected |= {account_identity(name): public for name, public in known.accounts.items()}
    for name, public in expected.items():
        kind = KeyType.OPERATOR if name == OPERATOR else KeyType.ACCOUNT
        if read(seeds.identity, name, kind).public != public:
            raise TrustDamagedError(f"the seed {name!r} is of another key than this Hub's: {RESTORE}")
    # Role keys are not looked for: a later version may know roles for which there are none yet.
    for name, kind in signing_names(dict.fromkeys(known.accounts, ())):
        read_all(seeds.signing, name, kind)


def proves_identity(data: Mapping[str, bytes], known: KnownKeys) -> bool:
    """Tell whether a Secret that does not say whose it is holds this Hub's operator key."""
    return bool(known.operator) and public_of(data, OPERATOR) == known.operator


def proves_signing(data: Mapping[str, bytes], config: Mapping[str, bytes], known: KnownKeys) -> bool:
    """Tell whether a Secret that does not say whose it is holds a signing key that this Hub's operator JWT names."""
    try:
        token = jwt.decode(config["operator.jwt"].decode())
    except (KeyError, ValueError):
        return False
    claims = token.claims
    return (
        bool(known.operator)
        and token.issuer == token.subject == known.operator
        and isinstance(claims, OperatorClaims)
        and any(public_of(data, name) in claims.signing_keys for name in generations(data, OPERATOR))
    )


def trust_root(seeds: TrustSeeds, *, roles: Roles) -> TrustRoot:
    """Read the keys.

    Raises:
        TrustDamagedError: one is missing or is no seed of its kind; the message names it and never shows it.

    """
    return TrustRoot(
        operator=read(seeds.identity, OPERATOR, KeyType.OPERATOR),
        operator_signing=read_all(seeds.signing, OPERATOR, KeyType.OPERATOR),
        system=read(seeds.identity, SYSTEM, KeyType.ACCOUNT),
        system_signing=read_all(seeds.signing, SYSTEM, KeyType.ACCOUNT),
        accounts={name: account_keys(seeds, name, roles) for name in roles},
        operator_phase=records(seeds.signing).operator,
    )


def account_keys(seeds: TrustSeeds, name: str, roles: Roles, *, adopted: str = "") -> AccountKeys:
    """Read the keys of one account; ``adopted`` is its public key where somebody else holds its identity.

    Raises:
        TrustDamagedError: one is missing or is no seed of its kind.

    """
    seal = account_seal(name) if adopted else account_identity(name)
    identity = read(seeds.identity, seal, KeyType.ACCOUNT)
    return AccountKeys(
        name=name,
        public=adopted or identity.public,
        seal=identity,
        unscoped=read_all(seeds.signing, unscoped_key(name), KeyType.ACCOUNT),
        scoped={role: read_all(seeds.signing, role_key(name, role), KeyType.ACCOUNT) for role in sorted(roles[name])},
    )
