"""Wait for what happens elsewhere: look often, give up at a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.05
_QUICK_POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], T], *, within: float = 30, what: str = "") -> T:
    """The first true answer of `condition`; raises `TimeoutError` after `within` seconds without one."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what or condition.__name__}")
        time.sleep(_POLL_SECONDS)
    return answer


async def wait_until_async(look: Callable[[], Awaitable[bool]], *, within: float = 30) -> None:
    """Return once `look` says so; raises `TimeoutError` after `within` seconds. Other tasks go on meanwhile."""
    async with asyncio.timeout(within):
        while not await look():  # noqa: ASYNC110 - what is looked at is another process: only another look tells
            await asyncio.sleep(_POLL_SECONDS)


async def until(condition: Callable[[], bool], *, within: float = 30) -> None:
    """Return once `condition` is so, which other tasks bring about; raises `TimeoutError` after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what it looks at is a server, or a plain value
            await asyncio.sleep(_QUICK_POLL_SECONDS)
