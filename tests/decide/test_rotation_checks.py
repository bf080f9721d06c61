"""What is wrong with windows is said in one sentence, with what to write instead."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.rotation import Policy
from iotsec.decide.rotation_checks import check_window, unsatisfiable
from iotsec.decide.windows import Window

NOW = 1_800_000_000
HOUR = 3600
MONTH = 720 * HOUR


@pytest.mark.parametrize(
    "cron",
    ["0 2 * * SUN", "*/15 1-5 * * *", "0 2 1,15 * *", "0 3 * * sun#1", "0 0 L * *", "0 0 29 2 *", "0 0 31 4 MON"],
)
def test_lines_that_fire_are_fine(cron: str) -> None:
    assert check_window(cron, HOUR, "Europe/Berlin") == ""


@pytest.mark.parametrize(
    "cron",
    [
        *("", "@daily", "0 2 * *", "0 0 2 * * *", "x * * * *", "61 * * * *", "*/0 * * * *", "5-1 * * * *"),
        *("0 0 32 2 *", "0 0 0 * *", "0 0 31 13 *", "0 0 1 1 8", "² * * * *", "1" * 200 + " * * * *", "9" * 5000),
    ],
)
def test_a_line_that_is_not_understood_is_refused_with_an_example(cron: str) -> None:
    problem = check_window(cron, HOUR, "UTC")

    assert "is not understood" in problem
    assert '"0 2 * * SUN"' in problem
    assert len(problem) < 500


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 2 */2"])
def test_a_day_that_no_month_has_never_fires(cron: str) -> None:
    assert "never fires" in check_window(cron, HOUR, "UTC")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "America", "é", "\0", "a" * 5000])
def test_a_time_zone_nobody_knows_is_refused(zone: str) -> None:
    problem = check_window("0 2 * * *", HOUR, zone)

    assert "write an IANA name" in problem
    assert len(problem) < 200


def test_a_window_too_short_to_work_in_is_refused() -> None:
    assert "write a duration of 1m or more" in check_window("0 2 * * *", 59, "UTC")


@given(cron=st.text("0123456789*/,-#LW SUNJAN@", max_size=40))
def test_whatever_is_written_is_answered(cron: str) -> None:
    if check_window(cron, HOUR, "UTC") == "":
        assert Window(cron, HOUR).opening(NOW) is not None


def test_weekly_windows_are_enough_for_a_month_renewed_ten_days_ahead() -> None:
    policy = Policy(MONTH, renew_before=240 * HOUR, windows=(Window("0 2 * * SUN", 4 * HOUR, "Europe/Berlin"),))

    assert unsatisfiable(policy, now=NOW) == ""


def test_weekly_windows_are_not_enough_for_a_credential_renewed_a_day_ahead() -> None:
    policy = Policy(72 * HOUR, renew_before=24 * HOUR, windows=(Window("0 2 * * SUN", 4 * HOUR),))

    assert unsatisfiable(policy, now=NOW) == (
        "windows are closed for 164h, but what is due can wait for 22h at most: rotations will happen outside windows; "
        "write more or longer windows, or a longer renewBefore"
    )


def test_a_gap_of_some_other_month_is_found_too() -> None:
    nights_of_winter = Window("0 2 * 1,2,12 *", 4 * HOUR)
    policy = Policy(MONTH, renew_before=240 * HOUR, windows=(nights_of_winter,))

    assert "closed for 66" in unsatisfiable(policy, now=NOW)  # hours: nine months, and the day before the first night
    assert unsatisfiable(replace(policy, windows=(nights_of_winter, Window("0 2 * * SAT", HOUR))), now=NOW) == ""


def test_windows_that_are_always_open_or_not_there_are_never_missed() -> None:
    assert unsatisfiable(Policy(60, renew_before=1), now=NOW) == ""
    assert unsatisfiable(Policy(600, renew_before=1, windows=(Window("* * * * *", 60),)), now=NOW) == ""
