"""Who may take a lease and when, whatever the clocks of the replicas say."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.lease import Observed, Record, Terms, free_at, observe, read, released, renewed, spec_of, taken

TERMS = Terms(15)
AT = 1_790_000_000.25


def lease(record: Record, version: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": "operator", "resourceVersion": version}, "spec": spec_of(record)}


def seen(record: Record, at: float, before: Observed | None = None) -> Observed:
    return observe(before, lease(record), at)


def test_the_proportions_are_those_of_client_go() -> None:
    assert (TERMS.duration, TERMS.renew_deadline, TERMS.retry) == (15, 10, 2)


def test_what_is_written_is_read_back() -> None:
    record = taken(None, "a", TERMS, AT)

    assert read(lease(record)) == record
    assert spec_of(record) == {
        "holderIdentity": "a",
        "acquireTime": "2026-09-21T14:13:20.250000Z",
        "renewTime": "2026-09-21T14:13:20.250000Z",
        "leaseTransitions": 0,
        "leaseDurationSeconds": 15,
    }


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": None}])
def test_a_lease_without_a_record_is_free(spec: dict[str, Any] | None) -> None:
    found = observe(None, {"metadata": {"resourceVersion": "1"}, "spec": spec}, 100.0)

    assert free_at(found) == 100.0


def test_a_holder_is_waited_for_from_when_its_record_was_first_seen() -> None:
    record = taken(None, "a", TERMS, AT)
    first = seen(record, 100.0)

    assert free_at(seen(record, 109.0, first)) == 115.0


def test_a_renewal_is_waited_for_anew() -> None:
    record = taken(None, "a", TERMS, AT)
    first = seen(record, 100.0)

    assert free_at(seen(renewed(record, AT + 2), 102.0, first)) == 117.0


def test_a_hand_that_touches_the_lease_is_no_renewal() -> None:
    record = taken(None, "a", TERMS, AT)
    touched = observe(seen(record, 100.0), lease(record, version="2"), 110.0)

    assert (touched.version, free_at(touched)) == ("2", 115.0)


def test_the_times_in_the_record_do_not_count() -> None:
    of_a_clock_that_is_wrong = taken(None, "a", TERMS, AT + 10**6)

    assert free_at(seen(of_a_clock_that_is_wrong, 100.0)) == 115.0


def test_a_lease_that_was_released_is_free_at_once() -> None:
    assert free_at(seen(released(taken(None, "a", TERMS, AT), AT + 5), 100.0)) == 100.0


def test_the_holder_says_how_long_it_is_waited_for() -> None:
    assert free_at(seen(replace(taken(None, "a", TERMS, AT), duration=60), 100.0)) == 160.0


def test_each_time_of_holding_is_another_even_under_one_name() -> None:
    first = taken(None, "a", TERMS, AT)

    assert renewed(first, AT + 2).tenure == first.tenure
    assert taken(first, "a", TERMS, AT).tenure != first.tenure
    assert taken(released(first, AT), "a", TERMS, AT).tenure != first.tenure


@given(
    delay=st.floats(0, 60),
    answered=st.floats(0, 60),
    skew=st.floats(-(10**6), 10**6),
    duration=st.integers(1, 300),
)
def test_nobody_may_take_it_while_its_holder_may_work(
    delay: float, answered: float, skew: float, duration: float
) -> None:
    """Its last renewal was sent at 0, written after ``delay`` and seen ``answered`` later, by a clock that is off."""
    terms = Terms(int(duration))
    works_until = terms.renew_deadline

    other = seen(renewed(taken(None, "a", terms, AT), AT + skew), delay + answered + skew)

    assert free_at(other) - skew > works_until - 1e-6
