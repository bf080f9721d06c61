"""When rotations may happen: cron openings in a time zone, each open for so many seconds of elapsed time.

When clocks change, cron lines mean what they mean in Debian's cron (``cron(8)``): a time that is skipped comes at the
first minute after the jump, a time that comes twice counts once. A line whose minute or hour begins with ``*`` follows
the clock on the wall instead: it comes again in the repeated hour, and not at all in the skipped one.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

_BUCKET = 6 * 3600  # seconds of openings kept together: 360 at most, and 2 ms to find them for a line of every minute
_BUCKETS = 1024  # kept at a time: 3 MB at most, and eight months of one window


@dataclass(frozen=True, slots=True)
class Window:
    """Opens at each time of ``cron`` (five fields) in ``time_zone`` (IANA name) and stays open ``duration`` seconds.

    Openings sooner than the last one closes overlap: the window stays open.
    """

    cron: str
    duration: int
    time_zone: str = "UTC"

    def opening(self, at: int) -> int | None:
        """Return the first opening at or after a unix second; ``None`` where there is none for fifty years."""
        found = _openings(self.cron, self.time_zone, at // _BUCKET)
        index = bisect_left(found, at)
        return found[index] if index < len(found) else None

    def opened(self, at: int, *, since: int) -> int | None:
        """Return the last opening from ``since`` to ``at``, both included; ``None`` where it did not open."""
        first = self.opening(since)
        if first is None or first > at:
            return None
        bucket = at // _BUCKET
        while True:
            found = _openings(self.cron, self.time_zone, bucket)
            index = bisect_right(found, at)
            if index:
                return found[index - 1]
            bucket -= 1

    def closes(self, at: int) -> int | None:
        """Return when the window that is open at a unix second closes, ``None`` where it is closed then.

        That is when the last opening so far closes; a later opening may prolong it.
        """
        last = self.opened(at, since=at - self.duration + 1)
        return None if last is None else last + self.duration


def is_open(windows: Iterable[Window], at: int) -> bool:
    """Return whether any of the windows is open at a unix second."""
    return any(window.closes(at) is not None for window in windows)


def next_opening(windows: Iterable[Window], at: int) -> tuple[int, int] | None:
    """Return the first opening at or after a unix second and when that window closes; ``None`` where there is none.

    Of several that open together the one that stays open longest counts.
    """
    openings = ((opening, window) for window in windows if (opening := window.opening(at)) is not None)
    first = min(openings, key=lambda o: (o[0], -o[1].duration), default=None)
    return None if first is None else (first[0], first[0] + first[1].duration)


@lru_cache(maxsize=_BUCKETS)
def _openings(cron: str, time_zone: str, bucket: int) -> "array[int]":
    """Return the openings of a bucket in order, and after them the first one later than the bucket."""
    start, end = bucket * _BUCKET, (bucket + 1) * _BUCKET
    found = array("q")
    for moment in CronSim(cron, datetime.fromtimestamp(start - 1, UTC).astimezone(ZoneInfo(time_zone))):
        opening = int(moment.timestamp())
        found.append(opening)
        if opening >= end:
            break
    return found
