"""Durations are read as Go reads them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.api.durations import LONGEST, SHORTEST, format_duration, parse_duration

SECONDS = st.integers(min_value=int(SHORTEST.total_seconds()), max_value=int(LONGEST.total_seconds()))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("720h", 2_592_000), ("30m", 1800), ("1h30m", 5400), ("90s", 90), ("720h0m0s", 2_592_000), ("1m1m", 120)],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@given(SECONDS)
def test_what_is_written_is_read_back(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(alphabet="0123456789hmsd.- \n", max_size=12))
def test_any_text_is_a_duration_in_range_or_is_refused(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        assert "write a duration" in str(error)  # noqa: PT017 -- most texts are refused, some are not
    else:
        assert SHORTEST <= duration <= LONGEST


def test_no_time_is_written_as_seconds() -> None:
    assert format_duration(timedelta()) == "0s"
