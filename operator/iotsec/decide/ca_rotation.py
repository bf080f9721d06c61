"""One CA takes the place of another: trust, then use, then retire.

Level-triggered: what comes next follows from what is written down and from what everybody is seen to have, so that a
crash between any two steps loses nothing. Nobody's certificate is refused on the way, unless the former CA is to be
distrusted at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from iotsec.decide.authorities import Authorities, Generation, Phase, is_asked
from iotsec.decide.times import rfc3339

Retire = Literal["AfterConvergence", "AtExpiry", "Immediate"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a rotation goes; ``distribute_for`` in seconds."""

    retire: Retire = "AfterConvergence"
    distribute_for: int = 3600
    """How long every Secret has a root before it is used, and its certificate before the former root goes."""


@dataclass(frozen=True, slots=True)
class Convergence:
    """What everybody was seen to have, of what is written down now."""

    servers: str
    """What is missing at the servers; empty where each runs the configuration as it was written last."""
    bundles_behind: int = 0
    """Secrets and ConfigMaps without the current trust bundle."""
    certificates_behind: int = 0
    """Certificates that are not of the CA that signs."""
    examples: tuple[str, ...] = ()
    """Some of whom these are."""


def begin(state: Authorities, successor: Generation, pace: Pace, *, now: int, token: str = "") -> Authorities:
    """Return the authorities with one more, which is to sign in time.

    One that was to and never did is trusted no more: nothing was issued by it. So it is where the one that signs is
    wanted again. While one takes the place of another there is no third; see :func:`may_begin`.
    """
    heeded = token or state.heeded
    kept = state.generations
    if state.phase is Phase.TRUST:
        kept = tuple(one for one in kept if one.number <= state.current)
    if successor.id == state.signing.id:
        return Authorities(kept, state.current, Phase.USE, since=now, heeded=heeded)
    added = replace(successor, number=state.newest.number + 1)
    if pace.retire == "Immediate":
        return Authorities((added,), added.number, Phase.USE, since=now, heeded=heeded)
    return Authorities((*kept, added), state.current, Phase.TRUST, since=now, heeded=heeded)


def may_begin(state: Authorities, pace: Pace) -> bool:
    """Tell whether another CA may be brought in now: none is half in use, or one is that will never be in full."""
    return state.phase in (Phase.STEADY, Phase.TRUST) or pace.retire == "Immediate" or not _may_sign(state.signing)


def advanced(state: Authorities, seen: Convergence, pace: Pace, *, now: int) -> Authorities:
    """Return the authorities after the next step, or as they are where something is waited for."""
    state = _without_expired(state, now)
    if pace.retire == "Immediate" and len(state.generations) > 1:
        if _may_sign(state.newest):
            return _in_phase(replace(state, generations=(state.newest,), current=state.newest.number), Phase.USE, now)
        state = replace(state, generations=_from_current(state))
    match state.phase:
        case Phase.TRUST:
            return _trusted(state, seen, pace, now)
        case Phase.USE:
            return _used(state, seen, pace, now)
        case Phase.RETIRE:
            return _retired(state, seen, pace, now)
        case Phase.STEADY:
            # Former ones that were to be kept until they end, and are no more; nobody counted who uses them.
            waits = not state.former or pace.retire == "AtExpiry"
            return state if waits else _in_phase(state, Phase.USE, now)


def waits_for(state: Authorities, seen: Convergence, pace: Pace) -> str:
    """Return what a rotation waits for, in words that stay while nothing happens; empty where none is under way."""
    if state.phase is Phase.STEADY:
        return ""
    behind = list(_behind(state, seen))
    if behind:
        return "; ".join(behind)
    if state.phase is Phase.TRUST and not _may_sign(state.newest):
        return "the key of the new CA is not at hand: restore its Secret"
    since = _had_since(state)
    if since is None:
        return "everybody has what is needed"
    return f"everybody has what is needed; those who fetch it late have until {rfc3339(since + pace.distribute_for)}"


def next_step(state: Authorities, pace: Pace, *, now: int) -> int | None:
    """Return when time alone lets a rotation go on, in unix seconds; ``None`` where there is none of that to come."""
    found = [one.expires_at for one in state.former]
    if state.phase is Phase.TRUST:
        found.append(state.signing.expires_at)
    since = _had_since(state)
    if since is not None:
        found.append(since + pace.distribute_for)
    return min((at for at in found if at > now), default=None)


def _trusted(state: Authorities, seen: Convergence, pace: Pace, now: int) -> Authorities:
    able = _may_sign(state.newest)
    # What the former CA issued ends with it, and where it has the same root there is nothing to wait for.
    if able and (now >= state.signing.expires_at or state.newest.root == state.signing.root):
        return _in_phase(replace(state, current=state.newest.number), Phase.USE, now)
    if seen.servers or seen.bundles_behind:
        return state
    state = replace(state, arrived=state.arrived or now)
    if not able or now < state.arrived + pace.distribute_for:
        return state
    return _in_phase(replace(state, current=state.newest.number), Phase.USE, now)


def _used(state: Authorities, seen: Convergence, pace: Pace, now: int) -> Authorities:
    if seen.servers or seen.certificates_behind:
        return state
    return _in_phase(state, Phase.STEADY if pace.retire == "AtExpiry" else Phase.RETIRE, now)


def _retired(state: Authorities, seen: Convergence, pace: Pace, now: int) -> Authorities:
    if state.former and pace.retire == "AtExpiry":
        return _in_phase(state, Phase.STEADY, now)
    if state.former:
        in_use = seen.servers or seen.certificates_behind  # again, such as a Secret that was restored
        early = now < state.since + pace.distribute_for
        return state if in_use or early else replace(state, generations=_from_current(state))
    if seen.servers or seen.bundles_behind:
        return state
    return _in_phase(state, Phase.STEADY, now)


def _in_phase(state: Authorities, phase: Phase, now: int) -> Authorities:
    return replace(state, phase=phase, since=now, arrived=0)


def _had_since(state: Authorities) -> int | None:
    """Return since when all Secrets have what this phase brings; ``None`` where that is not known, or is not counted.

    The next phase begins a while after, for those who fetch their Secrets late.
    """
    if state.phase is Phase.TRUST:
        return state.arrived or None
    return state.since if state.phase is Phase.RETIRE and state.former else None


def _from_current(state: Authorities) -> tuple[Generation, ...]:
    return tuple(one for one in state.generations if one.number >= state.current)


def _may_sign(generation: Generation) -> bool:
    """Tell whether it can sign: its key is at hand, or somebody else has it, who is asked."""
    return generation.authority is not None or is_asked(generation.source)


def _behind(state: Authorities, seen: Convergence) -> Iterable[str]:
    if seen.servers:
        yield seen.servers
    named = f" ({', '.join(seen.examples)})" if seen.examples else ""
    reissued = state.phase is Phase.USE or (state.phase is Phase.RETIRE and bool(state.former))
    if seen.bundles_behind and not reissued:
        yield f"{seen.bundles_behind} Secrets and ConfigMaps have yet to get the trust bundle{named}"
    if seen.certificates_behind and reissued:
        yield f"{seen.certificates_behind} certificates have yet to be issued by the new CA{named}"


def _without_expired(state: Authorities, now: int) -> Authorities:
    """Return the authorities without former ones that ended: what they vouched for ended with them."""
    left = tuple(one for one in state.generations if one.number >= state.current or one.expires_at > now)
    return state if left == state.generations else replace(state, generations=left)
