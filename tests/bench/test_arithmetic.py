import pytest

from bench.arithmetic import counts_within, percentile, quiet_since, rate, slope


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(1, 10), (25, 10), (26, 20), (50, 20), (75, 30), (95, 40), (99, 40), (100, 40)],
)
def test_a_percentile_is_a_value_that_occurred(percent: float, expected: float) -> None:
    assert percentile([40, 10, 30, 20], percent) == expected


def test_of_a_hundred_values_the_99th_percentile_is_the_second_largest() -> None:
    assert percentile(range(100), 99) == 98


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_no_percentile_of_nothing_or_beyond_all(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match=r"values|percentile"):
        percentile(values, percent)


def test_a_rate_is_a_count_for_each_second() -> None:
    assert rate(1000, 4.0) == 250


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_rate_without_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="time"):
        rate(1, seconds)


def test_a_slope_is_what_each_step_adds() -> None:
    assert slope((1000, 80.0), (5000, 120.0)) == pytest.approx(0.01)


def test_no_slope_of_one_point() -> None:
    with pytest.raises(ValueError, match="two different points"):
        slope((1, 2), (1, 3))


def test_a_window_begins_with_a_moment_and_ends_before_the_next_one_a_whole_window_later() -> None:
    assert counts_within([2.0, 0.0, 0.5, 1.0], window=1.0) == [2, 2, 1, 1]


def test_moments_that_are_one_are_in_one_window() -> None:
    assert max(counts_within([7.0, 7.0, 7.9], window=1.0)) == 3


def test_no_windows_without_moments() -> None:
    assert counts_within([], window=1.0) == []


def test_a_process_rests_since_the_window_in_which_it_used_next_to_nothing() -> None:
    samples = [(0.0, 1.0), (0.5, 1.5), (1.0, 1.52), (1.5, 1.53)]
    assert quiet_since(samples, window=1.0, share=0.05) == 0.5


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [(0.0, 1.0)],
        [(0.0, 1.0), (0.9, 1.0)],
        [(0.0, 1.0), (1.0, 1.06)],
    ],
    ids=["no samples", "one sample", "not long enough", "too busy"],
)
def test_a_process_does_not_rest_before_it_was_seen_to(samples: list[tuple[float, float]]) -> None:
    assert quiet_since(samples, window=1.0, share=0.05) is None
