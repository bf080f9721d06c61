"""When what was issued is renewed: one rule for everything that expires.

Computed from what was really issued, spread by deterministic jitter, moved into windows, never past a deadline. Nothing
is remembered: after a restart the same times come out.

In this order, all in unix seconds: issue < renewal time <= latest renewal <= last call <= deadline < expiry.
"""

import hashlib
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from iotsec.decide.windows import Window, is_open, next_opening

_JITTER_SHARE = 10  # up to a tenth of the time between issue and renewal, so that a fleet made in one go spreads out
_MARGIN_SHARE = 20  # of a life: what a short-lived credential keeps for retries while its windows still get most of it
_MARGIN_MAX = 3600  # seconds: retries back off for a minute at most, and an hour outlasts a restart of a server
_SPREAD_SHARE = 3 / 4  # of a window: the rest is for work that waits for its turn, so that it ends while still open


class Artefact(Protocol):
    """Anything that was issued and ends: a JWT, a certificate, a key with its :class:`Life`. Unix seconds."""

    @property
    def issued_at(self) -> int: ...  # noqa: D102 - the class docstring says it

    @property
    def expires_at(self) -> int: ...  # noqa: D102 - the same


@dataclass(frozen=True, slots=True)
class Policy:
    """How long something lives and when it is renewed, in seconds; checked where it is written (``api/rotation.py``).

    ``renew_before`` counts back from the end, or ``renew_before_percentage`` does in hundredths of the real life of
    what was issued; a third of that life where neither is given. ``overlap`` is how long the former credential
    works beside the new one, to its own end where it is ``None``.
    """

    duration: int
    renew_before: int | None = None
    renew_before_percentage: int | None = None
    overlap: int | None = None
    windows: tuple[Window, ...] = ()

    def before_end(self, life: int) -> int:
        """Return how many seconds before its end something is renewed that was issued for ``life`` seconds."""
        if self.renew_before is not None:
            return self.renew_before
        if self.renew_before_percentage is not None:
            return life * self.renew_before_percentage // 100
        return life // 3


@dataclass(frozen=True, slots=True)
class Life:
    """From issue to end, in unix seconds."""

    issued_at: int
    expires_at: int

    @classmethod
    def of_key(cls, issued_at: int, policy: Policy) -> "Life":
        """Return the life of a key, which has no end of its own: it is as long as the policy says now."""
        return cls(issued_at, issued_at + policy.duration)


@dataclass(frozen=True, slots=True)
class Turn:
    """When to act, in unix seconds; a ``due`` that is not later than now means now."""

    due: int
    deadline: int
    """From here on nothing waits any more, neither for a window nor for the budget."""
    window_missed: bool = False
    """No window opens in time: ``due`` is outside all of them (condition ``RotationWindowMissed``)."""


def turn(artefact: Artefact, policy: Policy, *, salt: str, now: int) -> Turn:
    """Return when something is renewed; the same for all ``now`` until that moment has passed unused.

    The moment is the renewal time; with windows the first moment from then on in which one is open, spread over the
    window's first three quarters, so that a fleet does not start with its opening. A moment that passed unused is made
    good at once inside a window, else in the next one. Where no window opens before the last call, the last call is
    the moment: expired credentials are worse than an unwelcome rotation. ``salt`` tells one artefact from others.
    """
    life = artefact.expires_at - artefact.issued_at
    latest = _latest(artefact.issued_at, artefact.expires_at, policy.before_end(life))
    jitter, spread, call = _shares(salt, artefact.issued_at)
    renewal = _pulled(artefact.issued_at, latest, jitter)
    room = margin(life)
    deadline = max(latest, artefact.expires_at - room)
    if not policy.windows:
        return Turn(renewal, deadline)
    # A fleet that misses its windows together is not renewed in one second either.
    last_call = max(latest, deadline - int(room * call))
    planned = _moment(policy.windows, renewal, spread, last_call)
    if planned is not None and now > planned and not is_open(policy.windows, now):
        planned = _moment(policy.windows, now, spread, last_call)
    if planned is not None:
        return Turn(planned, deadline)
    return Turn(last_call, deadline, window_missed=not is_open(policy.windows, max(now, last_call)))


def margin(life: int) -> int:
    """Return how many seconds before its end something must be renewed that was issued for ``life`` seconds."""
    return max(1, min(life // _MARGIN_SHARE, _MARGIN_MAX))


def overlap_end(*, expires_at: int, overlap: int | None, now: int) -> int:
    """Return the unix second at which a credential ends that was replaced now: with its own end at the latest."""
    return expires_at if overlap is None else min(expires_at, now + overlap)


def forced(tokens: Iterable[str], handled: Collection[str]) -> bool:
    """Return whether a rotation is asked for that was not made yet.

    ``tokens`` are the values of the annotation on the object and on its Secret, empty where there is none; ``handled``
    are those the last forced rotation was made for. Taking a token away asks for nothing.
    """
    return any(token and token not in handled for token in tokens)


def _latest(issued_at: int, expires_at: int, renew_before: int) -> int:
    """Return when to renew without jitter; after two thirds of a life too short for ``renew_before``."""
    latest = expires_at - renew_before
    return latest if latest > issued_at else issued_at + max(1, (expires_at - issued_at) * 2 // 3)


def _pulled(issued_at: int, latest: int, jitter: float) -> int:
    return latest - int((latest - issued_at) / _JITTER_SHARE * jitter)


def _shares(salt: str, issued_at: int) -> tuple[float, float, float]:
    """Return three numbers from 0 to 1 that look random and are the same each time."""
    digest = hashlib.sha256(f"{salt}/{issued_at}".encode()).digest()
    jitter, spread, call = struct.unpack_from(">III", digest)
    return jitter / 2**32, spread / 2**32, call / 2**32


def _moment(windows: tuple[Window, ...], at: int, spread: float, last_call: int) -> int | None:
    """Return the moment from ``at`` to the last call at which to act inside a window, ``None`` where there is none."""
    if at > last_call:
        return None
    if is_open(windows, at):
        return at
    found = next_opening(windows, at)
    if found is None or found[0] > last_call:
        return None
    opening, closing = found
    return min(last_call, opening + int((closing - opening) * _SPREAD_SHARE * spread))
