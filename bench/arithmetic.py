"""The arithmetic of measurements, pure."""

import math
from bisect import bisect_left
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that at least `percent` of them do not exceed (nearest rank): one that really occurred.

    Raises:
        ValueError: there are no values, or `percent` is not between 0 and 100.

    """
    if not values:
        raise ValueError("no values: nothing was measured")
    if not 0 < percent <= 100:  # noqa: PLR2004 - per cent
        raise ValueError(f"a percentile is above 0 and at most 100, not {percent:g}")
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def rate(count: int, seconds: float) -> float:
    """How many a second.

    Raises:
        ValueError: no time passed.

    """
    if seconds <= 0:
        raise ValueError(f"a rate needs some time to pass, not {seconds:g} s")
    return count / seconds


def slope(first: tuple[float, float], second: tuple[float, float]) -> float:
    """How much y grows for each x, between two points (x, y).

    Raises:
        ValueError: both points have one x.

    """
    (x1, y1), (x2, y2) = first, second
    if x1 == x2:
        raise ValueError("a slope needs two different points")
    return (y2 - y1) / (x2 - x1)


def counts_within(times: Sequence[float], *, window: float) -> list[int]:
    """How many of these moments each window holds that begins with one of them, that one included; its end is not in.

    No window of this length, wherever it begins, holds more than the largest of them.
    """
    moments = sorted(times)
    return [bisect_left(moments, moment + window) - first for first, moment in enumerate(moments)]


def quiet_since(samples: Sequence[tuple[float, float]], *, window: float, share: float) -> float | None:
    """Since when a process rests, or None where it does not.

    `samples` are (time, CPU time used so far), in seconds, oldest first. It rests once it used at most `share` of one
    core throughout the latest `window` seconds; the answer is the time of the sample that this window begins with.
    """
    if not samples:
        return None
    now, used = samples[-1]
    for moment, before in reversed(samples):
        if now - moment >= window:
            return moment if used - before <= share * (now - moment) else None
    return None
