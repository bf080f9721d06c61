"""What is wrong with the windows of a rotation policy, said before anything is issued by it. All times in seconds."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from iotsec.api.durations import format_duration
from iotsec.decide.rotation import Policy, margin
from iotsec.decide.windows import Window, next_opening

_FIELDS = 5
_LONGEST_LINE = 256
_SHORTEST_WINDOW = 60
_FIVE_FIELDS = 'write minute, hour, day, month and weekday, such as "0 2 * * SUN"'
_DAY = 86400
_HORIZON = 366 * _DAY  # seconds ahead in which windows are looked at
_LOOKS = 1000  # at most, for lives so short that a year has more of them
_POLICIES = 256  # whose answer of the day is kept: each costs about 0.1 s where windows are rare
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # whether a line ever fires does not depend on when one asks


def check_window(cron: str, duration: int, time_zone: str) -> str:
    """Return what to write instead, empty where the window is fine."""
    if len(cron) > _LONGEST_LINE or len(cron.split()) != _FIELDS:
        return f"cron {cron[:40]!r} is not understood: {_FIVE_FIELDS}"
    if problem := _cron_problem(cron):
        return problem
    try:
        ZoneInfo(time_zone)
    except (ValueError, LookupError, OSError):
        return f"timeZone {time_zone[:40]!r} is unknown: write an IANA name such as Europe/Berlin or UTC"
    if duration < _SHORTEST_WINDOW:
        return f"a window of {_text(duration)} is too short to work in: write a duration of 1m or more"
    return ""


def unsatisfiable(policy: Policy, *, now: int) -> str:
    """Return why rotations will miss the windows within a year, empty where each finds one open in time.

    No error, since rotations happen all the same, outside of the windows. The windows must have been checked.
    """
    if not policy.windows:
        return ""
    room = margin(policy.duration)
    # From the latest renewal time to the earliest last call.
    wait = max(0, policy.before_end(policy.duration) - 2 * room)
    gap = _gap(policy.windows, wait, now // _DAY * _DAY)
    if gap is None:
        return ""
    closed = f"windows are closed for {_text(gap)}" if gap else "windows never open"
    return (
        f"{closed}, but what is due can wait for {_text(wait)} at most: rotations will happen outside windows; "
        "write more or longer windows, or a longer renewBefore"
    )


def _cron_problem(cron: str) -> str:
    minute, hour, day, month, weekday = cron.split()
    try:
        next(CronSim(cron, _SOME_DAY))
    except (CronSimError, ValueError) as error:
        # What is right about every other day and every other month is a day that the month does not have.
        others = (f"{minute} {hour} 1 {month} {weekday}", f"{minute} {hour} {day} * {weekday}")
        if not all(map(_is_understood, others)):
            return f"cron {cron!r} is not understood ({str(error).lower()[:40]}): {_FIVE_FIELDS}"
    except StopIteration:
        pass
    else:
        return ""
    return f'cron {cron!r} never fires: write a day that its month has, such as "0 2 1 * *"'


def _is_understood(cron: str) -> bool:
    try:
        CronSim(cron, _SOME_DAY)
    except (CronSimError, ValueError):
        return False
    return True


@lru_cache(maxsize=_POLICIES)
def _gap(windows: tuple[Window, ...], wait: int, start: int) -> int | None:
    """Return how long all windows are closed the first time they are for longer than ``wait``, 0 for ever.

    ``None`` where there is no such time. Only the last opening in each stretch of that length is looked at: between
    the others there is no room for a gap.
    """
    first = next_opening(windows, start)
    if first is None:
        return 0
    at = first[1]
    for _ in range(_LOOKS):
        if at > start + _HORIZON:
            break
        last = [(opened, window.duration) for window in windows if (opened := window.opened(at + wait, since=at))]
        if not last:
            following = next_opening(windows, at)
            return 0 if following is None else following[0] - at
        at = max(opened + duration for opened, duration in last)
    return None


def _text(seconds: int) -> str:
    return format_duration(timedelta(seconds=seconds))
