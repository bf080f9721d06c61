"""What a replica answers to probes: whether it must be started anew, and whether it does its part."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from iotsec.decide.lease import Terms

STUCK_SECONDS: Final = 600
"""Of work on one object, in which every request to anybody has long been given up."""


class Phase(StrEnum):
    """How far a replica is."""

    WAITING = "waits for the kinds it works with"
    STANDBY = "another replica works; this one takes over when that is gone"
    STARTING = "learns what there is"
    WORKING = "works"
    STOPPING = "was told to stop"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a probe, and why it is that."""

    good: bool
    why: str


def alive(longest: float) -> Verdict:
    """Judge by the seconds that the longest work on one object takes by now; that it is asked proves the event loop."""
    if longest > STUCK_SECONDS:
        return Verdict(good=False, why=f"work on an object takes {longest:.0f} s by now: it is stuck")
    return Verdict(good=True, why="works on" if longest else "waits for work")


def ready(phase: Phase, *, unheard: float, terms: Terms, problem: str = "") -> Verdict:
    """Judge whether a replica does its part; ``unheard`` is for how many seconds it has heard nothing of the Lease.

    While it waits or learns what there is, ``problem`` is what for.

    Who stands by is ready: it is all that is asked of it, and a Deployment of two is complete. Its part is to notice
    when the leader is gone; the leader renews all the time, so that silence means that nothing is noticed.
    """
    if phase in (Phase.WAITING, Phase.STARTING):
        return Verdict(good=False, why=problem or phase.value)
    if phase is Phase.STANDBY and unheard > terms.duration + terms.renew_deadline:
        return Verdict(good=False, why=f"nothing was heard of the Lease for {unheard:.0f} s")
    return Verdict(good=phase in (Phase.STANDBY, Phase.WORKING), why=phase.value)
