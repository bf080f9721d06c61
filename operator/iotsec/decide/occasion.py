"""Why an identity's credential is issued again, and when that may happen."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from iotsec.decide.grant import Grant
from iotsec.decide.issued import Issued
from iotsec.decide.rotation import Life, Turn, forced, turn
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.views import Identity
from iotsec.decide.windows import Window, is_open, next_opening

FORCED_SECONDS = 3600
"""A rotation asked for by hand on a whole fleet is as much work as any: it is paced, and over within the hour."""

_TOKEN_LENGTH = 256  # of those in a status: annotations may be a thousand times as long


class Why(StrEnum):
    """Why something is issued."""

    REISSUE = "re-issue"
    """It says the wrong thing, or is refused: what was before ends at once."""
    RESIGN = "re-sign"
    """Its signing key is being replaced."""
    ROTATE = "rotate"
    """Its key has been used long enough, or somebody asked for another."""
    RENEW = "renew"
    """It ends before long."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """The next time a credential is replaced, all in unix seconds."""

    why: Why
    due: int
    deadline: int | None
    """From when on it waits for no turn; ``None`` where it never does."""
    window_missed: bool = False


def must_reissue(identity: Identity, granted: Grant, issued: Issued) -> bool:
    """Tell whether what was issued is not what is granted now, or is refused already."""
    account = granted.account
    return (
        issued.digest != granted.digest
        or issued.account != account.keys.public
        or (identity.spec.public_key or issued.key) != issued.key
        or account.recorded.revoked_at(issued.key) >= issued.issued_at
    )


def tokens_of(identity: Identity, current: SecretFacts | None) -> tuple[str, ...]:
    """Return the tokens that ask for a rotation, on the object and on its Secret."""
    tokens = (identity.rotate, current.rotate if current else "")
    return tuple(map(as_told, filter(None, tokens)))


def is_asked_for(identity: Identity, current: SecretFacts | None, issued: Issued) -> bool:
    """Tell whether somebody asks for a rotation that was not made yet."""
    return forced(tokens_of(identity, current), (*issued.heeded, *identity.status.get("rotated", ())))


def occasion(identity: Identity, granted: Grant, current: SecretFacts | None, issued: Issued, *, now: int) -> Occasion:
    """Return when and why what was issued is replaced next; one that is due is due at ``now`` or before."""
    if must_reissue(identity, granted, issued):
        return Occasion(Why.REISSUE, now, None)
    if granted.signed_by(issued.signer) is None:
        return Occasion(Why.RESIGN, now, None)
    policy = granted.policy
    if is_asked_for(identity, current, issued):
        why = Why.RENEW if identity.spec.public_key else Why.ROTATE
        return Occasion(why, now, now + FORCED_SECONDS)
    renewal = turn(issued, policy.jwt, salt=identity.uid, now=now)
    found = [_at(Why.RENEW, renewal)]
    if policy.key is not None:
        life = Life.of_key(issued.key_at, policy.key)
        found.append(_at(Why.ROTATE, turn(life, policy.key, salt=f"{identity.uid}/key", now=now)))
    if issued.signer != granted.signer.public and granted.signer.public in granted.account.signers_live:
        found.append(Occasion(Why.RESIGN, _when_open(policy.jwt.windows, now, renewal.due), renewal.deadline))
    # A new key comes with a JWT of the current signer, and a new JWT with the current signer: the most goes first.
    due = [one for one in found if one.due <= now]
    order = (Why.ROTATE, Why.RENEW, Why.RESIGN)
    return min(due, key=lambda o: order.index(o.why)) if due else min(found, key=lambda o: o.due)


def as_told(token: str) -> str:
    """Return a token as statuses and notes tell it: of a long one a digest."""
    return token if len(token) <= _TOKEN_LENGTH else hashlib.sha256(token.encode()).hexdigest()


def _at(why: Why, at: Turn) -> Occasion:
    return Occasion(why, at.due, at.deadline, at.window_missed)


def _when_open(windows: tuple[Window, ...], now: int, latest: int) -> int:
    if not windows or is_open(windows, now):
        return now
    found = next_opening(windows, now)
    return latest if found is None else min(found[0], latest)
