"""What the form of a window lets pass, the core understands."""

from api.rotations import NIGHTLY
from hypothesis import given
from hypothesis import strategies as st

from iotsec.api.rotation import Window
from iotsec.decide.rotation_checks import check_window


def field(low: int, high: int, *others: str) -> st.SearchStrategy[str]:
    """Values, ranges that do not run backwards, steps, and lists of them."""
    value = st.integers(low, high)
    span = st.tuples(value, value).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    step = st.integers(1, 59).map("/{}".format)
    entry = st.builds("".join, st.tuples(st.one_of(st.just("*"), value.map(str), span), st.just("") | step))
    return st.lists(entry | st.sampled_from(others) if others else entry, min_size=1, max_size=3).map(",".join)


LINES = st.tuples(
    field(0, 59),
    field(0, 23),
    field(1, 28, "L", "LW"),
    field(1, 12, "JAN", "JUN-DEC"),
    field(0, 7, "SUN", "MON-FRI", "TUE#1", "5L", "6#5"),
).map(" ".join)


@given(LINES)
def test_a_line_of_the_grammar_is_a_window_and_is_understood(line: str) -> None:
    window = Window.parse(NIGHTLY | {"cron": line})
    fault = check_window(window.cron, int(window.duration.total_seconds()), window.time_zone)
    # Each field of "* * */31 JAN 5L" is sound, and the 1st of January is never the last Friday.
    assert fault == "" or "never fires" in fault
