"""A Hub's seeds as its two trust Secrets hold them: by name, and signing keys by generation.

The first key of a name is stored under the bare name, later ones under ``<name>.2``, ``<name>.3`` and so on: while a
key is being replaced there are two.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from iotsec.nats.keys import InvalidKey, KeyType, Seed, SigningKey

Entropy = Callable[[], bytes]
"""Gives 32 random bytes a call."""

Roles = Mapping[str, Collection[str]]
"""The roles that each account needs scoped signing keys for, by the account's name."""

OPERATOR = "operator"
SYSTEM = "system"
RECORDS = "records.json"
"""The entry of the signing Secret that tells when its keys were made; no seed."""

RESTORE = "restore the Secret from its backup"


class TrustDamagedError(ValueError):
    """A trust Secret holds something that is no key of the kind it should be."""


@dataclass(frozen=True, slots=True)
class TrustSeeds:
    """The data of both trust Secrets: what they hold, key by key."""

    identity: Mapping[str, bytes]
    signing: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"TrustSeeds({len(self.identity)} identity seeds, {len(self.signing)} signing seeds)"


class OperatorPhase(StrEnum):
    """How far the replacement of the operator's signing key has come; what a phase does begins once it is recorded."""

    NONE = ""
    PREPARED = "Prepared"
    """The servers' configuration names both keys; the old one signs."""
    RESIGNING = "Resigning"
    """Every server trusts both; the new one signs."""
    RESIGNED = "Resigned"
    """The new one signed all that the servers run, and their configuration names no other."""


@dataclass(frozen=True, slots=True)
class Records:
    """What is known of signing keys beside their seeds."""

    made: Mapping[str, int]
    """When each was made, in unix seconds, by its name in the Secret."""
    heeded: Mapping[str, str]
    """The tokens that asked for new keys and were heeded, by the annotation that held them."""
    operator: OperatorPhase = OperatorPhase.NONE

    def to_json(self) -> bytes:
        """Serialise, canonically."""
        body: dict[str, object] = {"made": dict(self.made), "heeded": dict(self.heeded)}
        if self.operator:
            body["operator"] = str(self.operator)
        return json.dumps(body, sort_keys=True).encode()


def records(signing: Mapping[str, bytes]) -> Records:
    """Read the records; where they are lost or damaged nothing is known."""
    try:
        body = json.loads(signing.get(RECORDS, b"{}"))
        return Records(
            {str(k): int(v) for k, v in body.get("made", {}).items()},
            {str(k): str(v) for k, v in body.get("heeded", {}).items()},
            OperatorPhase(body.get("operator", "")),
        )
    except (ValueError, TypeError, AttributeError):
        return Records({}, {})


def account_identity(account: str) -> str:
    """Name of an account's identity seed in the identity Secret."""
    return f"account.{account}"


def account_seal(account: str) -> str:
    """Name of the seed that seals the notes of an account whose identity is kept elsewhere."""
    return f"seal.{account}"


def unscoped_key(account: str) -> str:
    """Name of the signing key for an account's users with claims of their own."""
    return f"account.{account}.unscoped"


def role_key(account: str, role: str) -> str:
    """Name of the signing key of a role in an account."""
    return f"account.{account}.role.{role}"


def account_names(seeds: TrustSeeds) -> set[str]:
    """Return the accounts that have an identity or a seal: one that ever was keeps its revocations."""
    prefixes = (account_identity(""), account_seal(""))
    return {name.removeprefix(p) for p in prefixes for name in seeds.identity if name.startswith(p)}


def roles_of(seeds: TrustSeeds, account: str) -> set[str]:
    """Return the roles that an account has scoped signing keys for."""
    prefix = role_key(account, "")
    found = (name.removeprefix(prefix) for name in seeds.signing if name.startswith(prefix))
    return {name.split(".", 1)[0] for name in found}


def generations(store: Mapping[str, bytes], name: str) -> tuple[str, ...]:
    """Return the entries that hold keys of a name, the oldest first."""
    prefix = f"{name}."
    later = sorted(int(n.removeprefix(prefix)) for n in store if n.startswith(prefix) and n[len(prefix) :].isdecimal())
    return (*((name,) if name in store else ()), *(f"{prefix}{number}" for number in later))


def next_generation(store: Mapping[str, bytes], name: str) -> str:
    """Return the entry for one more key of a name; numbers are never used again while a later one is there."""
    last = next(reversed(generations(store, name)), "")
    if not last:
        return name
    return f"{name}.{int(last.removeprefix(f'{name}.')) + 1 if last != name else 2}"


def with_generation(seeds: TrustSeeds, name: str, kind: KeyType, *, entropy: Entropy, now: int) -> TrustSeeds:
    """Return the seeds with one more key of a name."""
    entry = next_generation(seeds.signing, name)
    known = records(seeds.signing)
    added = replace(seeds, signing={**seeds.signing, **_made({entry: kind}, entropy)})
    return with_records(added, replace(known, made={**known.made, entry: now}))


def newest_alone(seeds: TrustSeeds, name: str) -> TrustSeeds:
    """Return the seeds without the keys of a name that a later one replaces."""
    former = generations(seeds.signing, name)[:-1]
    known = records(seeds.signing)
    kept = replace(seeds, signing={entry: seed for entry, seed in seeds.signing.items() if entry not in former})
    return with_records(kept, replace(known, made={e: at for e, at in known.made.items() if e not in former}))


def with_records(seeds: TrustSeeds, known: Records) -> TrustSeeds:
    """Return the seeds with other records beside them."""
    return replace(seeds, signing={**seeds.signing, RECORDS: known.to_json()})


def left_behind(data: Mapping[str, bytes], signing: Mapping[str, bytes]) -> frozenset[str]:
    """Return the entries of a signing Secret that are former keys: later ones are there of their names."""
    found = (name for name in data if name not in signing)
    return frozenset(name for name in found if generations(signing, _without_number(name)))


def completed(
    seeds: TrustSeeds, *, roles: Roles, entropy: Entropy, now: int, adopted: Collection[str] | None = None
) -> TrustSeeds:
    """Return the seeds with all that the Hub's accounts and roles need; what exists is never replaced.

    ``adopted`` are the accounts of an existing trust root whose identities are kept elsewhere, as its operator and its
    system account are; ``None`` where the trust root is the Hub's own.
    """
    identity = {name: kind for name, kind in _identity_names(roles, adopted) if name not in seeds.identity}
    signing = {name: kind for name, kind in signing_names(roles, adopted) if not generations(seeds.signing, name)}
    known = records(seeds.signing)
    made = {name: seed for name, seed in seeds.signing.items() if name != RECORDS} | _made(signing, entropy)
    return TrustSeeds(
        identity={**seeds.identity, **_made(identity, entropy)},
        signing={
            **made,
            RECORDS: replace(known, made={name: known.made.get(name, now) for name in made}).to_json(),
        },
    )


def signing_names(roles: Roles, adopted: Collection[str] | None = None) -> Iterator[tuple[str, KeyType]]:
    """Yield the names of all signing keys there are to be, and their kinds; ``adopted`` as in ``completed``."""
    if adopted is None:
        yield OPERATOR, KeyType.OPERATOR
        yield SYSTEM, KeyType.ACCOUNT
    for account in roles:
        yield unscoped_key(account), KeyType.ACCOUNT
        for role in roles[account]:
            yield role_key(account, role), KeyType.ACCOUNT


def read(store: Mapping[str, bytes], name: str, kind: KeyType) -> SigningKey:
    """Read one key.

    Raises:
        TrustDamagedError: it is missing or is no seed of its kind; the message names it and never shows it.

    """
    try:
        return SigningKey.from_seed(Seed(store[name]), kind)
    except KeyError:
        raise TrustDamagedError(f"the seed {name!r} is missing: {RESTORE}") from None
    except InvalidKey as error:
        raise TrustDamagedError(f"the seed {name!r} is damaged ({error}): {RESTORE}") from None


def read_all(store: Mapping[str, bytes], name: str, kind: KeyType) -> tuple[SigningKey, ...]:
    """Read the keys of a name, the oldest first; there is at least one.

    Raises:
        TrustDamagedError: there is none, or one is no seed of its kind.

    """
    return tuple(read(store, entry, kind) for entry in generations(store, name) or (name,))


def public_of(store: Mapping[str, bytes], name: str) -> str:
    """Return the public key of a seed, or an empty string where there is none that can be read."""
    try:
        return SigningKey.from_seed(Seed(store[name])).public
    except (KeyError, InvalidKey):
        return ""


def _without_number(entry: str) -> str:
    name, _, number = entry.rpartition(".")
    return name if number.isdecimal() else entry


def _identity_names(accounts: Iterable[str], adopted: Collection[str] | None) -> Iterator[tuple[str, KeyType]]:
    if adopted is None:
        yield OPERATOR, KeyType.OPERATOR
        yield SYSTEM, KeyType.ACCOUNT
    for account in accounts:
        is_elsewhere = adopted is not None and account in adopted
        yield account_seal(account) if is_elsewhere else account_identity(account), KeyType.ACCOUNT


def _made(wanted: Mapping[str, KeyType], entropy: Entropy) -> dict[str, bytes]:
    return {name: SigningKey.generate(kind, entropy()).seed.reveal() for name, kind in wanted.items()}
