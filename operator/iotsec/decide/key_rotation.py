"""When the keys that sign for users are replaced, and when a former one may go, without one refused login.

In this order: the new seed is written down; the account's JWT names both keys and every server runs it; identities are
issued again, in paced waves; once nothing is valid any more that the former key signed, its seed goes, and with it its
place in the JWT. What is done next follows from the seeds, the servers and the creds Secrets alone, so a crash between
any two of these costs nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from iotsec.api.hub import HubSpec
from iotsec.api.meta import GROUP
from iotsec.decide import names
from iotsec.decide.account import AccountKeys
from iotsec.decide.conditions import ROTATING, ROTATION_WINDOW_MISSED, Condition, Reason
from iotsec.decide.rotation import Life, Policy, Turn, turn
from iotsec.decide.rotation_policy import seconds, window, window_fault
from iotsec.decide.seeds import (
    SYSTEM,
    Entropy,
    TrustSeeds,
    generations,
    newest_alone,
    records,
    role_key,
    unscoped_key,
    with_generation,
    with_records,
)
from iotsec.decide.times import rfc3339
from iotsec.nats.keys import KeyType, SigningKey

ROTATE_ONE = f"rotate.{GROUP}/"
"""On a Hub, followed by a role: a token nobody heeded yet asks for another key of that role, in every account."""
UNSCOPED = "unscoped"
"""In the place of a role: the keys that sign for users with claims of their own."""

_SETTLE_SECONDS = 10
"""How long a former key stays once every server knows the new one: what it is signing just now is then written down."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys of a Hub that sign for users, of each name all generations, the oldest first."""

    system: tuple[SigningKey, ...]
    """None where the system account is somebody else's."""
    accounts: Mapping[str, AccountKeys]


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What a Hub says of its signing keys."""

    policy: Policy | None = None
    """``None`` where they are kept until somebody asks."""
    immediate: bool = False
    """A former key goes at once, with all it signed."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Who is on which signing key, by its public half."""

    identities: Mapping[str, int]
    """How many have a JWT of it as their current one."""
    ends: Mapping[str, int]
    """The unix second at which the last JWT ends that it signed, also of those that were replaced."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is true outside of the seeds."""

    live_since: Mapping[str, int]
    """The signing keys that every reachable server knows, by public half; since when that is seen, in unix seconds."""
    connected_by: str
    """Public key of who signed the credentials of our own connection."""
    tally: Tally
    now: int


@dataclass(frozen=True, slots=True)
class Told:
    """Something to tell once."""

    reason: Reason
    note: str


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about a Hub's signing keys now."""

    seeds: TrustSeeds
    """The seeds as they should be: those there are, where nothing is to be done."""
    due: int | None
    """When the next key is replaced, in unix seconds; ``None`` where none is planned."""
    conditions: tuple[Condition, ...] = ()
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class _Named:
    """The keys of one name, the oldest first."""

    entry: str
    account: str
    """Empty for the system account."""
    role: str | None
    keys: tuple[SigningKey, ...]
    companions: frozenset[str] = frozenset()
    """Public halves of keys that are in every JWT of the account."""

    def __str__(self) -> str:
        if not self.account:
            return "the system account"
        return f"{f'role {self.role}' if self.role is not None else UNSCOPED} in account {self.account}"

    def is_meant(self, annotation: str) -> bool:
        """Tell whether an annotation asks for another key of this name."""
        if annotation == names.ROTATE:
            return True
        return bool(self.account) and annotation == ROTATE_ONE + (UNSCOPED if self.role is None else self.role)


def key_policy(spec: HubSpec) -> KeyPolicy:
    """Return what a Hub's spec says of its signing keys; a window that is none is left out, and told elsewhere."""
    declared = spec.rotation.signing_keys
    if declared is None:
        return KeyPolicy()
    windows = tuple(window(one) for one in spec.rotation.windows if not window_fault(one))
    return KeyPolicy(Policy(seconds(declared.duration), windows=windows), declared.retire == "Immediate")


def tokens(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return what asks for new signing keys, by the annotation that does."""
    return {
        name: token
        for name, token in annotations.items()
        if token and (name == names.ROTATE or name.startswith(ROTATE_ONE))
    }


def replacing(signers: Signers) -> Mapping[str, tuple[SigningKey, ...]]:
    """Return the keys of which there are two, by their name in the Secret."""
    return {named.entry: named.keys for named in _all_keys(signers) if len(named.keys) > 1}


def next_keys(
    hub: str,
    seeds: TrustSeeds,
    signers: Signers,
    *,
    policy: KeyPolicy,
    asked: Mapping[str, str],
    standing: Standing,
    entropy: Entropy,
) -> Step:
    """Return the next step for a Hub's signing keys (``hub``: its uid); there are never more than two of a name.

    A key that is being replaced is not replaced again before that is done: whoever asks meanwhile has what is asked
    for. Only where former keys go at once the new one is replaced as well.
    """
    known = records(seeds.signing)
    fresh = {name: token for name, token in asked.items() if known.heeded.get(name) != token}
    told = _meant_for_nobody(fresh, signers)
    shown: list[str] = []
    missed: list[str] = []
    dues: list[int] = []
    wanted = seeds
    for named in _all_keys(signers):
        at = _turn(hub, named, seeds, policy, standing.now)
        wants_new = any(map(named.is_meant, fresh)) or (at is not None and at.due <= standing.now)
        changed, note = _advanced(wanted, named, policy, standing, wants_new=wants_new, entropy=entropy)
        if note is not None:
            wanted, told = changed, (*told, note)
        elif len(named.keys) > 1:
            shown.append(_progress(named, standing))
        elif at is not None:
            dues.append(at.due)
            missed += [f"{named} at {rfc3339(at.due)}"] if at.window_missed else []
    if fresh:
        wanted = with_records(wanted, replace(records(wanted.signing), heeded={**known.heeded, **fresh}))
    return Step(wanted, min(dues, default=None), (*_rotating(shown), *_missing(missed)), told)


def _advanced(
    seeds: TrustSeeds, named: _Named, policy: KeyPolicy, standing: Standing, *, wants_new: bool, entropy: Entropy
) -> tuple[TrustSeeds, Told | None]:
    """Return the seeds after the next step for the keys of one name, and what to tell where there is one."""
    # Our own connection depends on the system account's: there both are pushed first, in any case.
    immediate = bool(named.account) and (policy.immediate or _is_idle(named, standing))
    if wants_new and (len(named.keys) == 1 or immediate):
        made = with_generation(seeds, named.entry, KeyType.ACCOUNT, entropy=entropy, now=standing.now)
        if immediate:
            note = f"{named}: another signing key is in use, and nothing the former one signed is accepted any more"
            return newest_alone(made, named.entry), Told(Reason.SIGNING_KEY_REPLACED, note)
        note = f"{named}: another signing key takes over; the former one stays until nothing of it is in use"
        return made, Told(Reason.SIGNING_KEY_ADDED, note)
    if len(named.keys) > 1 and (immediate or _may_go(named, standing)):
        note = f"{named}: the former signing key is gone"
        return newest_alone(seeds, named.entry), Told(Reason.SIGNING_KEY_REPLACED, note)
    return seeds, None


def _is_idle(named: _Named, standing: Standing) -> bool:
    """Tell whether servers run the account's JWT and none of these keys is in it: a role that no scoped key can say."""
    live = standing.live_since.keys()
    return not live.isdisjoint(named.companions) and live.isdisjoint(key.public for key in named.keys)


def _may_go(named: _Named, standing: Standing) -> bool:
    """Tell whether nobody is left on the former keys."""
    *former, newest = (key.public for key in named.keys)
    since = standing.live_since.get(newest)
    if since is None:
        return False
    if not named.account:
        return standing.connected_by == newest
    if standing.now < since + _SETTLE_SECONDS:
        return False
    return all(standing.tally.ends.get(public, 0) <= standing.now for public in former)


def _progress(named: _Named, standing: Standing) -> str:
    """Return how far the replacement of a key has come."""
    *former, newest = (key.public for key in named.keys)
    if newest not in standing.live_since:
        return f"{named}: the servers are being told of the new key"
    if not named.account:
        return f"{named}: the operator's own connection moves to the new key"
    tally = standing.tally
    moved = tally.identities.get(newest, 0)
    total = moved + sum(tally.identities.get(public, 0) for public in former)
    if moved < total:
        return f"{named}: {moved} of {total} identities are on the new key"
    end = max((tally.ends.get(public, 0) for public in former), default=0)
    if end <= standing.now:
        return f"{named}: nobody is on the former key any more"
    return f"{named}: all {total} identities are on the new key; the last JWT of the former one ends at {rfc3339(end)}"


def _turn(hub: str, named: _Named, seeds: TrustSeeds, policy: KeyPolicy, now: int) -> Turn | None:
    if policy.policy is None or len(named.keys) > 1:
        return None
    (newest,) = generations(seeds.signing, named.entry)
    made = records(seeds.signing).made.get(newest, now)
    return turn(Life.of_key(made, policy.policy), policy.policy, salt=f"{hub}/{named.entry}", now=now)


def _all_keys(signers: Signers) -> Iterator[_Named]:
    if signers.system:
        yield _Named(SYSTEM, "", None, signers.system)
    for account in signers.accounts.values():
        companions = frozenset(key.public for key in account.unscoped)
        yield _Named(unscoped_key(account.name), account.name, None, account.unscoped, companions)
        for role, keys in account.scoped.items():
            yield _Named(role_key(account.name, role), account.name, role, keys, companions)


def _meant_for_nobody(fresh: Mapping[str, str], signers: Signers) -> tuple[Told, ...]:
    return tuple(
        Told(
            Reason.ROLE_UNKNOWN,
            f"annotation {annotation} names no role that has a signing key: write a role of this Hub, or "
            f"{ROTATE_ONE}{UNSCOPED} for the key of all that have claims of their own",
        )
        for annotation in fresh
        if not any(named.is_meant(annotation) for named in _all_keys(signers))
    )


def _rotating(shown: list[str]) -> tuple[Condition, ...]:
    if not shown:
        return ()
    more = f"; and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    message = "; ".join(shown[:_NAMED]) + more
    return (Condition(ROTATING, "True", Reason.SIGNING_KEY_ADDED, message),)


def _missing(missed: list[str]) -> tuple[Condition, ...]:
    if not missed:
        return ()
    message = (
        f"no window opens in time, so these keys are replaced outside of all windows: {', '.join(missed[:_NAMED])}; "
        "write wider or more frequent windows"
    )
    return (Condition(ROTATION_WINDOW_MISSED, "True", Reason.NO_WINDOW_IN_TIME, message),)
