"""Work waits for its turn on a real event loop, whose clock is turned by the test."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from iotsec.kube.pacing import Pacer, paid

NOW = 1_800_000_000.0  # unix time at which each test begins
FAR = NOW + 1e6


class _NoWaiting(selectors.DefaultSelector):
    """Waits for nobody: the time that would be waited has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.passed += timeout or 0.0
        return super().select(0)


class _TurnedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._turned = _NoWaiting()
        super().__init__(self._turned)

    def time(self) -> float:
        return self._turned.passed


def played(test: Callable[[Pacer, list[tuple[float, str]]], Coroutine[Any, Any, None]]) -> list[tuple[float, str]]:
    """Play a test with a pacer of ten writes a second; return what it noted, when."""
    noted: list[tuple[float, str]] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        await test(Pacer(10, given=1.0, now=lambda: NOW + loop.time()), noted)

    with asyncio.Runner(loop_factory=_TurnedLoop) as runner:
        runner.run(play())
    return noted


async def work(pacer: Pacer, noted: list[tuple[float, str]], name: str, *, deadline: float = FAR) -> None:
    await pacer.turn(deadline)
    noted.append((round(asyncio.get_running_loop().time(), 6), name))


def test_work_goes_within_the_budget_and_the_most_urgent_first() -> None:
    async def twenty(pacer: Pacer, noted: list[tuple[float, str]]) -> None:
        pacer.spent(10)
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(work(pacer, noted, f"renewal-{number}", deadline=FAR - number))

    noted = played(twenty)

    assert [name for _, name in noted] == [f"renewal-{19 - n}" for n in range(20)]
    assert [at for at, _ in noted] == pytest.approx([1 + n / 10 for n in range(20)])


def test_what_comes_later_and_is_more_urgent_goes_before_what_waits() -> None:
    async def overtaken(pacer: Pacer, noted: list[tuple[float, str]]) -> None:
        pacer.spent(10)
        async with asyncio.TaskGroup() as group:
            group.create_task(work(pacer, noted, "some day"))
            await asyncio.sleep(0.5)
            group.create_task(work(pacer, noted, "tomorrow", deadline=NOW + 86400))
            group.create_task(work(pacer, noted, "now", deadline=NOW + 30))

    assert played(overtaken) == [(0.5, "now"), (1.0, "tomorrow"), (1.1, "some day")]


def test_work_that_is_cancelled_takes_nobodys_turn() -> None:
    async def cancelled(pacer: Pacer, noted: list[tuple[float, str]]) -> None:
        pacer.spent(10)
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(work(pacer, noted, f"renewal-{n}", deadline=FAR + n)) for n in range(5)]
            await asyncio.sleep(0)
            for task in waiting[:3]:
                task.cancel()

    assert played(cancelled) == [(1.0, "renewal-3"), (1.1, "renewal-4")]


def test_work_that_is_cancelled_in_the_moment_it_may_go_leaves_the_rest_in_order() -> None:
    async def cancelled(pacer: Pacer, noted: list[tuple[float, str]]) -> None:
        pacer.spent(10)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(work(pacer, noted, "first", deadline=FAR))
            group.create_task(work(pacer, noted, "second", deadline=FAR + 1))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_at(1.0, first.cancel)

    assert [name for _, name in played(cancelled)] == ["second"]


def test_somebody_who_sets_the_time_of_day_holds_up_nothing() -> None:
    async def set_back() -> list[float]:
        loop = asyncio.get_running_loop()
        clock = [NOW]
        pacer = Pacer(10, given=1.0, now=lambda: clock[0])
        await pacer.turn(FAR)
        clock[0] -= 86400
        await pacer.turn(FAR)
        return [loop.time()]

    with asyncio.Runner(loop_factory=_TurnedLoop) as runner:
        assert runner.run(set_back()) == [pytest.approx(0.1)]


def test_what_had_its_turn_during_a_stall_is_not_sent_together_afterwards() -> None:
    async def stalled(pacer: Pacer, noted: list[tuple[float, str]]) -> None:
        loop = asyncio.get_running_loop()

        async def send(number: int) -> None:
            await pacer.turn(FAR + number)
            await asyncio.sleep(max(0.0, 3.0 - loop.time()))  # until then nothing gets through
            with paid(1):
                await pacer.sending()
            noted.append((loop.time(), str(number)))

        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(send(number))

    sent = [at for at, _ in played(stalled)]

    assert len(sent) == 40
    assert all(sum(at <= other < at + 0.999 for other in sent) <= 11 for at in sent)


def test_what_cannot_wait_is_sent_at_once_however_much_there_was() -> None:
    async def urgent(pacer: Pacer, noted: list[tuple[float, str]]) -> None:
        for number in range(40):
            await pacer.sending()
            noted.append((asyncio.get_running_loop().time(), str(number)))

    assert {at for at, _ in played(urgent)} == {0.0}
