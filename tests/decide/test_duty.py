"""What a replica answers to probes."""

import pytest

from iotsec.decide.duty import STUCK_SECONDS, Phase, Verdict, alive, ready
from iotsec.decide.lease import Terms

TERMS = Terms(15)


@pytest.mark.parametrize(
    ("phase", "good"),
    [
        (Phase.WAITING, False),
        (Phase.STANDBY, True),
        (Phase.STARTING, False),
        (Phase.WORKING, True),
        (Phase.STOPPING, False),
    ],
)
def test_who_works_or_stands_by_is_ready(phase: Phase, good: bool) -> None:  # noqa: FBT001 - of the table
    verdict = ready(phase, unheard=2.0, terms=TERMS)

    assert (verdict.good, verdict.why) == (good, phase.value)


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.STARTING])
def test_who_cannot_set_out_says_what_is_wrong(phase: Phase) -> None:
    assert ready(phase, unheard=0.0, terms=TERMS, problem="they lack Hub") == Verdict(good=False, why="they lack Hub")


def test_a_watch_that_is_interrupted_is_no_reason_to_do_nothing() -> None:
    assert ready(Phase.WORKING, unheard=0.0, terms=TERMS, problem="hubs cannot be read").good


def test_who_stands_by_and_hears_nothing_would_notice_nothing() -> None:
    assert ready(Phase.STANDBY, unheard=25.0, terms=TERMS).good
    assert ready(Phase.STANDBY, unheard=26.0, terms=TERMS).why == "nothing was heard of the Lease for 26 s"
    assert ready(Phase.WORKING, unheard=9999.0, terms=TERMS).good  # it renews, and hears in other ways


def test_who_works_on_one_object_for_ever_is_started_anew() -> None:
    assert alive(0.0).good
    assert alive(STUCK_SECONDS).good
    assert not alive(STUCK_SECONDS + 1).good
