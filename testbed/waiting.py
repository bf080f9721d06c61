"""Wait for what happens elsewhere: look often, give up at a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.05


def wait_until(condition: Callable[[], T], *, within: float = 30, what: str = "") -> T:
    """The first true answer of `condition`; raises `TimeoutError` after `within` seconds without one."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what or condition.__name__}")
        time.sleep(_POLL_SECONDS)
    return answer
