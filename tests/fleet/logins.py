"""A fleet that connects all the time, and what it met with."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from testbed.clients import is_refused
from testbed.user import User
from testbed.waiting import wait_until_async

T = TypeVar("T")

_PAUSE_SECONDS = 0.2


@dataclass
class Logins:
    """How often somebody came, and who was refused."""

    made: int = 0
    refused: list[str] = field(default_factory=list)

    async def two_more_rounds(self, devices: int) -> None:
        """Wait until everybody was there again."""
        enough = self.made + 2 * devices

        async def were_there() -> bool:
            return self.made >= enough

        await wait_until_async(were_there, within=60)


@asynccontextmanager
async def connecting_all_the_time(user: User, urls: Sequence[str], devices: Iterable[str]) -> AsyncIterator[Logins]:
    """Have every device log in again and again, at one server after the other, with what its Secret holds by then.

    A server that is not there refuses nobody.
    """
    logins, over = Logins(), asyncio.Event()

    async def device(name: str) -> None:
        for url in itertools.cycle(urls):
            held = await asyncio.to_thread(user.creds, name)
            try:
                if await is_refused(url, held):
                    logins.refused.append(f"{name} at {url}")
                logins.made += 1
            except OSError:
                pass
            await asyncio.sleep(_PAUSE_SECONDS)
            if over.is_set():
                return

    tasks = [asyncio.create_task(device(name)) for name in devices]
    try:
        yield logins
    finally:
        over.set()  # nats-py would swallow a cancellation now and then
        await asyncio.gather(*tasks)


async def off_the_loop(work: Callable[..., T], *arguments: Any, **more: Any) -> T:
    """Wait for something while the fleet goes on."""
    return await asyncio.to_thread(partial(work, *arguments, **more))
