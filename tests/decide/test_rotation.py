"""Renewals come in time, spread out, and at the same moment after any restart."""

from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.rotation import Life, Policy, forced, margin, overlap_end, turn
from iotsec.decide.windows import Window, is_open

NOW = 1_800_000_000
HOUR = 3600
DAY = 24 * HOUR
NIGHTS = Window("0 2 * * *", 3 * HOUR, "Europe/Berlin")
SUNDAYS = Window("0 2 * * SUN", 4 * HOUR, "Europe/Berlin")
NEW_YEAR = Window("0 2 1 1 *", 4 * HOUR, "Europe/Berlin")
MONTH = Life(NOW, NOW + 30 * DAY)

seconds = st.integers(10, 87_600 * 3600)
policies = st.builds(
    Policy,
    duration=seconds,
    renew_before=st.none() | seconds,
    windows=st.lists(st.sampled_from([NIGHTS, SUNDAYS, NEW_YEAR]), max_size=2).map(tuple),
)


def renewal_time(duration: int, before: int, *, salt: str) -> int:
    """When something is due that is issued now and knows no windows."""
    return turn(Life(NOW, NOW + duration), Policy(duration, renew_before=before), salt=salt, now=NOW).due


@given(duration=seconds, before=seconds, salt=st.text(max_size=36))
def test_a_renewal_is_after_the_issue_and_before_the_end(duration: int, before: int, salt: str) -> None:
    due = renewal_time(duration, before, salt=salt)

    assert NOW < due < NOW + duration


@given(duration=seconds, share=st.floats(0.01, 0.95), salt=st.text(max_size=36))
def test_the_jitter_only_pulls_forward_and_by_a_tenth_at_most(duration: int, share: float, salt: str) -> None:
    before = max(1, int(duration * share))

    due = renewal_time(duration, before, salt=salt)

    latest = NOW + duration - before
    assert latest - (latest - NOW) / 10 - 1 <= due <= latest


def test_the_same_credential_is_always_due_at_the_same_time() -> None:
    due = {renewal_time(9000, 3000, salt="uid") for _ in range(3)}

    assert len(due) == 1


def test_a_fleet_made_in_one_second_is_not_renewed_in_one() -> None:
    due = [renewal_time(720 * HOUR, 240 * HOUR, salt=f"uid-{n}") for n in range(1000)]

    assert max(due) - min(due) > 40 * 3600
    assert len(set(due)) > 990


@given(life=seconds, policy=policies, salt=st.text(max_size=36), later=st.floats(0, 1.2))
def test_a_turn_comes_after_the_issue_and_before_the_deadline_which_is_before_the_end(
    life: int, policy: Policy, salt: str, later: float
) -> None:
    artefact = Life(NOW, NOW + life)

    found = turn(artefact, policy, salt=salt, now=NOW + int(life * later))

    assert NOW < found.due <= found.deadline < artefact.expires_at


@given(life=seconds, policy=policies, salt=st.text(max_size=36), later=st.floats(0, 1.2))
def test_who_asks_again_when_it_is_due_hears_that_it_is_due(life: int, policy: Policy, salt: str, later: float) -> None:
    artefact, asked_at = Life(NOW, NOW + life), NOW + int(life * later)
    told = turn(artefact, policy, salt=salt, now=asked_at)

    again = turn(artefact, policy, salt=salt, now=max(told.due, asked_at))

    assert again.due <= told.due
    assert again.window_missed == told.window_missed or again.due < told.due


@given(life=seconds, policy=policies, salt=st.text(max_size=36), later=st.floats(0, 1.2))
def test_what_is_due_is_inside_a_window_unless_it_is_said_that_windows_are_missed(
    life: int, policy: Policy, salt: str, later: float
) -> None:
    now = NOW + int(life * later)

    found = turn(Life(NOW, NOW + life), policy, salt=salt, now=now)

    if policy.windows:
        assert is_open(policy.windows, max(now, found.due)) != found.window_missed


@given(life=seconds, policy=policies, salt=st.text(max_size=36), share=st.floats(0, 1))
def test_the_turn_stays_the_same_until_it_has_come(life: int, policy: Policy, salt: str, share: float) -> None:
    artefact = Life(NOW, NOW + life)
    told = turn(artefact, policy, salt=salt, now=NOW)

    assert turn(artefact, policy, salt=salt, now=NOW + int((told.due - NOW) * share)) == told


def test_the_deadline_is_an_hour_before_the_end_of_a_long_life() -> None:
    found = turn(MONTH, Policy(30 * DAY, renew_before=10 * DAY), salt="uid", now=NOW)

    assert found.deadline == NOW + 30 * DAY - HOUR


@given(percent=st.integers(1, 99), life=seconds, salt=st.text(max_size=36))
def test_a_percentage_is_of_the_life_of_what_was_really_issued(percent: int, life: int, salt: str) -> None:
    policy = Policy(720 * HOUR, renew_before_percentage=percent)

    found = turn(Life(NOW, NOW + life), policy, salt=salt, now=NOW)

    latest = NOW + life - life * percent // 100
    assert latest - (latest - NOW) / 10 - 1 <= found.due <= max(latest, NOW + 1)


def test_a_third_of_the_life_is_left_where_nothing_else_is_asked() -> None:
    assert Policy(90).before_end(600) == 200


def test_who_is_due_inside_a_window_waits_for_no_other_one() -> None:
    always = Window("0 0 * * *", 30 * HOUR)

    windowed = turn(MONTH, Policy(30 * DAY, renew_before=10 * DAY, windows=(always,)), salt="uid", now=NOW)

    assert windowed.due == turn(MONTH, Policy(30 * DAY, renew_before=10 * DAY), salt="uid", now=NOW).due


def test_a_fleet_with_windows_does_not_start_with_the_opening() -> None:
    policy = Policy(30 * DAY, renew_before=10 * DAY, windows=(SUNDAYS,))

    due = [turn(MONTH, policy, salt=f"uid-{n}", now=NOW).due for n in range(1000)]

    assert all(is_open([SUNDAYS], second) for second in due)
    assert len(set(due)) > 900


def test_a_fleet_that_misses_its_windows_is_not_renewed_in_one_second() -> None:
    policy = Policy(30 * DAY, renew_before=10 * DAY, windows=(NEW_YEAR,))

    turns = [turn(MONTH, policy, salt=f"uid-{n}", now=NOW) for n in range(1000)]

    assert all(t.window_missed and t.deadline - HOUR <= t.due <= t.deadline for t in turns)
    assert len({t.due for t in turns}) > 800


def test_who_was_down_when_it_was_due_acts_at_once_inside_a_window() -> None:
    policy = Policy(30 * DAY, renew_before=10 * DAY, windows=(NIGHTS,))
    opening = NIGHTS.opening(NOW + 25 * DAY)
    assert opening is not None

    assert turn(MONTH, policy, salt="uid", now=opening).due <= opening


def test_who_was_down_when_it_was_due_waits_for_the_next_window_outside_of_one() -> None:
    policy = Policy(30 * DAY, renew_before=10 * DAY, windows=(NIGHTS,))
    closed = NIGHTS.opening(NOW + 25 * DAY)
    assert closed is not None
    closed += 3 * HOUR

    found = turn(MONTH, policy, salt="uid", now=closed)

    assert NIGHTS.opening(closed) == NIGHTS.opened(found.due, since=closed)
    assert not found.window_missed


def test_who_was_down_until_shortly_before_the_end_waits_for_no_window() -> None:
    policy = Policy(30 * DAY, renew_before=10 * DAY, windows=(NEW_YEAR,))
    now = MONTH.expires_at - 60

    found = turn(MONTH, policy, salt="uid", now=now)

    assert found.due < now
    assert found.window_missed


def test_the_deadline_leaves_a_twentieth_of_the_life_and_an_hour_at_most() -> None:
    assert [margin(life) for life in (10, 600, 20 * HOUR, 720 * HOUR)] == [1, 30, HOUR, HOUR]


def test_a_key_without_an_end_lives_as_long_as_the_policy_says_now() -> None:
    assert Life.of_key(NOW, Policy(365 * DAY)) == Life(NOW, NOW + 365 * DAY)


def test_the_former_credential_works_until_the_overlap_ends_and_never_longer_than_itself() -> None:
    assert overlap_end(expires_at=NOW + 900, overlap=60, now=NOW) == NOW + 60
    assert overlap_end(expires_at=NOW + 30, overlap=60, now=NOW) == NOW + 30
    assert overlap_end(expires_at=NOW + 900, overlap=None, now=NOW) == NOW + 900
    assert overlap_end(expires_at=NOW + 900, overlap=0, now=NOW) == NOW


def test_a_rotation_is_forced_once_for_each_token() -> None:
    assert forced(["please", ""], [])
    assert not forced(["please", ""], ["please"])
    assert forced(["please", "and-the-secret"], ["please"])
    assert forced(["again", ""], ["please"])
    assert not forced(["", ""], ["please"])
