"""Work that can wait stays within the budget, the most urgent first; what cannot wait is never held up."""

from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.pacing import Pacing

FAR = 1e9


def run(pacing: Pacing[str], until: float, start: float = 0.0) -> list[tuple[float, str]]:
    """Let the clock run, and return what went when."""
    gone: list[tuple[float, str]] = []
    now = start
    while now <= until:
        gone += [(now, piece) for piece in pacing.go(now)]
        at = pacing.next_go(now)
        if at is None:
            break
        now = max(at, now)
    return gone


def most_in_a_second(writes: list[tuple[float, int]]) -> int:
    """The most writes in any second, its end not included."""
    return max(sum(n for at, n in writes if start <= at < start + 0.999999) for start, _ in writes)


def test_work_that_comes_alone_goes_at_once() -> None:
    pacing: Pacing[str] = Pacing(10)

    pacing.wait("renewal", deadline=FAR)

    assert pacing.go(5.0) == ["renewal"]


@given(
    rate=st.integers(1, 50),
    works=st.lists(st.integers(1, 5), min_size=1, max_size=60),
    urgent=st.lists(st.tuples(st.floats(0, 10), st.integers(1, 100)), max_size=10),
)
def test_work_that_can_wait_never_makes_a_second_exceed_the_budget(
    rate: int, works: list[int], urgent: list[tuple[float, int]]
) -> None:
    pacing: Pacing[int] = Pacing(rate)
    for number, writes in enumerate(works):
        pacing.wait(number, deadline=FAR, writes=min(writes, rate))
    made: list[tuple[float, int]] = []
    now, rest = 0.0, sorted(urgent)
    while (at := pacing.next_go(now)) is not None:
        now = max(now, at)
        while rest and rest[0][0] <= now:
            pacing.spent(rest[0][0], rest[0][1])
            made.append(rest.pop(0))
        for number in pacing.go(now):
            writes = min(works[number], rate)
            assert sum(n for when, n in made if when > now - 0.999999) + writes <= rate
            made.append((now, writes))

    assert len(made) == len(works) + len(urgent) - len(rest)


def test_work_is_spread_over_the_second() -> None:
    pacing: Pacing[str] = Pacing(10)
    for number in range(30):
        pacing.wait(f"renewal-{number}", deadline=FAR)

    times = [at for at, _ in run(pacing, until=10)]

    assert len(times) == 30
    assert all(later - earlier >= 0.0999 for earlier, later in pairwise(times))
    assert times[-1] < 3.1


@given(st.lists(st.floats(1e6, 2e6), unique=True, max_size=50))
def test_the_earliest_deadline_goes_first(deadlines: list[float]) -> None:
    pacing: Pacing[float] = Pacing(5)
    for deadline in deadlines:
        pacing.wait(deadline, deadline=deadline)
    gone: list[float] = []
    now = 0.0
    while (at := pacing.next_go(now)) is not None:
        now = max(now, at)
        gone += pacing.go(now)

    assert gone == sorted(deadlines)


def test_of_equal_deadlines_who_came_first_goes_first() -> None:
    pacing: Pacing[str] = Pacing(1)
    for name in ("one", "two", "three"):
        pacing.wait(name, deadline=FAR)

    assert [name for _, name in run(pacing, until=10)] == ["one", "two", "three"]


def test_writes_that_cannot_wait_are_not_held_up_but_hold_up_the_rest() -> None:
    pacing: Pacing[str] = Pacing(10)
    pacing.spent(0.0, 25)
    pacing.wait("renewal", deadline=FAR)

    assert pacing.go(0.5) == []
    assert pacing.next_go(0.5) == 1.0
    assert pacing.go(1.0) == ["renewal"]


def test_a_deadline_within_the_reserve_goes_at_once_whatever_the_budget() -> None:
    pacing: Pacing[str] = Pacing(1)
    pacing.spent(0.0, 100)
    pacing.wait("late", deadline=59.0)
    pacing.wait("soon", deadline=61.0)
    pacing.wait("some day", deadline=FAR)

    assert pacing.go(0.0) == ["late"]
    assert pacing.go(1.0) == ["soon"]
    assert pacing.go(1.0) == []


def test_work_the_budget_would_let_go_too_late_goes_as_much_faster_as_needed_and_evenly() -> None:
    pacing: Pacing[str] = Pacing(10)
    for number in range(2000):
        pacing.wait(f"soon-{number}", deadline=160.0)
    for number in range(50):
        pacing.wait(f"some-day-{number}", deadline=FAR)

    gone = run(pacing, until=1000)

    soon = [(at, 1) for at, name in gone if name.startswith("soon")]
    rest = [(at, 1) for at, name in gone if name.startswith("some-day")]
    assert len(soon) == 2000
    assert soon[-1][0] <= 100.01
    assert most_in_a_second(soon) <= 25  # 20 are needed, 10 are the budget, 2000 would be all at once
    assert len(rest) == 50
    assert most_in_a_second(rest) <= 10


def test_a_flood_that_had_to_go_at_once_does_not_hold_up_the_rest_for_longer_than_a_second() -> None:
    pacing: Pacing[str] = Pacing(2)
    for number in range(1000):
        pacing.wait(f"expired-{number}", deadline=-100.0)
    pacing.wait("some day", deadline=FAR)

    gone = run(pacing, until=10)

    assert [at for at, _ in gone[:1000]] == [0.0] * 1000
    assert gone[1000:] == [(1.0, "some day")]


def test_work_bigger_than_the_budget_goes_alone_and_is_paid_for_afterwards() -> None:
    pacing: Pacing[str] = Pacing(2)
    pacing.wait("big", deadline=FAR - 1, writes=10)
    pacing.wait("small", deadline=FAR)

    assert run(pacing, until=100) == [(0.0, "big"), (5.0, "small")]


def test_work_that_waits_no_more_is_forgotten() -> None:
    pacing: Pacing[str] = Pacing(1)
    for name in ("one", "two", "three"):
        pacing.wait(name, deadline=FAR)

    pacing.leave("one")
    pacing.leave("nobody")

    assert [name for _, name in run(pacing, until=10)] == ["two", "three"]
    assert len(pacing) == 0


def test_work_waits_once_only() -> None:
    pacing: Pacing[str] = Pacing(1)
    pacing.wait("one", deadline=FAR)

    with pytest.raises(ValueError, match="once only"):
        pacing.wait("one", deadline=FAR)


def test_a_budget_of_less_than_a_write_per_second_is_refused() -> None:
    with pytest.raises(ValueError, match="write 1 or more"):
        Pacing[str](0.5)


def test_ten_thousand_pieces_are_paced_in_no_time() -> None:
    pacing: Pacing[int] = Pacing(500)
    numbers = count()
    for number in range(10_000):
        pacing.wait(next(numbers), deadline=FAR - number)

    now, gone = 0.0, 0
    while (at := pacing.next_go(now)) is not None:
        now = max(now, at)
        gone += len(pacing.go(now))

    assert gone == 10_000
    assert now == pytest.approx(20, abs=0.1)
