"""Windows open when their cron line says, also on the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.windows import Window, is_open, next_opening

HOUR = 3600
DAY = 24 * HOUR
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"])
lines = st.sampled_from(
    [
        "0 2 * * SUN",
        "30 2 * * *",
        "0 0 * * *",
        "*/15 1-3 * * *",
        "*/7 * * * *",
        "0 */5 1 * *",
        "0 3 1 1 *",
        "5 0 29 2 *",
    ]
)
moments = st.integers(1_700_000_000, 2_000_000_000)


def unix(text: str) -> int:
    """The second of a UTC time, written like ``2027-03-28 01:00``."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def openings(window: Window, start: str, end: str) -> list[str]:
    found, at = [], unix(start)
    while (opening := window.opening(at)) is not None and opening < unix(end):
        found.append(f"{datetime.fromtimestamp(opening, UTC):%Y-%m-%d %H:%M}")
        at = opening + 1
    return found


def test_a_window_opens_at_local_time_in_summer_and_in_winter() -> None:
    window = Window("0 2 * * SUN", 4 * HOUR, "Europe/Berlin")

    assert openings(window, "2027-01-03 00:00", "2027-01-04 00:00") == ["2027-01-03 01:00"]
    assert openings(window, "2027-07-04 00:00", "2027-07-05 00:00") == ["2027-07-04 00:00"]


def test_a_time_that_is_skipped_in_spring_comes_when_the_clock_has_jumped() -> None:
    window = Window("30 2 * * *", HOUR, "Europe/Berlin")

    # 02:00 CET becomes 03:00 CEST on 28 March 2027, at 01:00 UTC.
    assert openings(window, "2027-03-27 00:00", "2027-03-30 00:00") == [
        "2027-03-27 01:30",
        "2027-03-28 01:00",
        "2027-03-29 00:30",
    ]


def test_a_time_that_comes_twice_in_autumn_opens_a_window_once() -> None:
    window = Window("30 2 * * *", HOUR, "Europe/Berlin")

    # 03:00 CEST becomes 02:00 CET on 31 October 2027, at 01:00 UTC.
    assert openings(window, "2027-10-30 00:00", "2027-11-02 00:00") == [
        "2027-10-30 00:30",
        "2027-10-31 00:30",
        "2027-11-01 01:30",
    ]


def test_a_line_that_follows_the_wall_clock_comes_again_in_the_repeated_hour() -> None:
    window = Window("*/30 2 * * *", 60, "Europe/Berlin")

    assert openings(window, "2027-10-31 00:00", "2027-11-01 00:00") == [
        "2027-10-31 00:00",
        "2027-10-31 00:30",
        "2027-10-31 01:00",
        "2027-10-31 01:30",
    ]
    assert openings(window, "2027-03-28 00:00", "2027-03-29 00:00") == []


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31", "2027-06-01"])
def test_a_window_is_open_for_its_duration_of_elapsed_time_whatever_the_clock_says(day: str) -> None:
    window = Window("0 1 * * *", 4 * HOUR, "Europe/Berlin")
    opening = window.opening(unix(f"{day} 00:00") - 4 * HOUR)

    assert opening is not None
    assert not is_open([window], opening - 1)
    assert is_open([window], opening)
    assert is_open([window], opening + 4 * HOUR - 1)
    assert not is_open([window], opening + 4 * HOUR)


def test_a_window_stays_open_across_midnight_and_the_end_of_a_year() -> None:
    window = Window("0 23 31 12 *", 3 * HOUR)

    assert is_open([window], unix("2027-12-31 23:30"))
    assert is_open([window], unix("2028-01-01 01:59"))
    assert not is_open([window], unix("2028-01-01 02:00"))


def test_windows_that_open_before_the_last_one_closes_are_always_open() -> None:
    window = Window("0 0 * * *", 30 * HOUR)

    assert all(is_open([window], unix("2027-03-01 00:00") + hours * HOUR) for hours in range(24 * 7))


def test_a_window_may_be_open_for_weeks() -> None:
    window = Window("0 0 1 * *", 20 * DAY)

    assert is_open([window], unix("2027-05-20 23:59"))
    assert not is_open([window], unix("2027-05-21 00:00"))


def test_of_windows_that_open_together_the_longest_counts() -> None:
    short, long = Window("0 2 * * *", HOUR), Window("0 2 * * SUN", 4 * HOUR)

    assert next_opening([short, long], unix("2027-01-02 12:00")) == (
        unix("2027-01-03 02:00"),
        unix("2027-01-03 06:00"),
    )


def test_29_february_is_waited_for() -> None:
    assert openings(Window("0 0 29 2 *", HOUR), "2027-01-01 00:00", "2033-01-01 00:00") == [
        "2028-02-29 00:00",
        "2032-02-29 00:00",
    ]


@given(cron=lines, zone=zones, at=moments)
def test_the_next_opening_is_no_earlier_than_asked_and_none_lies_between(cron: str, zone: str, at: int) -> None:
    window = Window(cron, 60, zone)

    opening = window.opening(at)

    assert opening is not None
    assert opening >= at
    assert window.opening((at + opening) // 2) == opening
    assert opening % 60 == 0


@given(cron=lines, zone=zones, at=moments, duration=st.integers(60, 3 * DAY))
def test_a_window_is_open_exactly_when_it_opened_less_than_its_duration_ago(
    cron: str, zone: str, at: int, duration: int
) -> None:
    window = Window(cron, duration, zone)
    recent = [at - duration + 1]
    while (opening := window.opening(recent[-1])) is not None and opening <= at:
        recent.append(opening + 1)

    assert window.closes(at) == (recent[-1] - 1 + duration if len(recent) > 1 else None)
    assert all(earlier < later for earlier, later in pairwise(recent))


@given(zone=zones, days=st.integers(0, 3000))
def test_a_daily_window_opens_once_on_each_local_day(zone: str, days: int) -> None:
    window = Window("30 2 * * *", HOUR, zone)
    first = window.opening(1_700_000_000 + days * DAY)
    assert first is not None

    second = window.opening(first + 1)

    assert second is not None
    assert timedelta(hours=22, minutes=30) <= timedelta(seconds=second - first) <= timedelta(hours=25)
