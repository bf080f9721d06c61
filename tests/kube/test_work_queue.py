"""The work queue keeps client-go's promises."""

import asyncio

from iotsec.kube.queue import WorkQueue


async def test_a_key_that_waits_is_not_queued_twice() -> None:
    queue: WorkQueue[str] = WorkQueue()

    queue.add("a")
    queue.add("a")

    assert len(queue) == 1


async def test_a_key_that_is_worked_on_comes_back_once_it_is_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"

    queue.add("a")

    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"


async def test_keys_come_in_the_order_they_were_added() -> None:
    queue: WorkQueue[str] = WorkQueue()

    for key in "abc":
        queue.add(key)

    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]


async def test_an_urgent_key_goes_before_all_that_wait_longer() -> None:
    queue: WorkQueue[str] = WorkQueue(lambda key: 0 if key == "urgent" else 1, lanes=2)

    for key in ("a", "b", "urgent"):
        queue.add(key)

    assert [await queue.get() for _ in range(3)] == ["urgent", "a", "b"]


async def test_of_several_due_times_the_earliest_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    clock = asyncio.create_task(queue.run_clock())

    queue.add_after("a", 3600)
    queue.add_after("a", 0.01)
    async with asyncio.timeout(2):
        key = await queue.get()

    assert key == "a"
    clock.cancel()


async def test_a_due_time_set_while_the_clock_sleeps_wakes_it() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("late", 3600)
    clock = asyncio.create_task(queue.run_clock())
    await asyncio.sleep(0)

    queue.add_after("soon", 0.01)

    async with asyncio.timeout(2):
        assert await queue.get() == "soon"
    clock.cancel()


async def test_each_failure_doubles_the_wait_and_a_success_forgets_them() -> None:
    queue: WorkQueue[str] = WorkQueue()

    waits = [queue.add_failed("a") for _ in range(4)]
    queue.forget("a")

    assert [wait / waits[0] for wait in waits] == [1, 2, 4, 8]
    assert queue.add_failed("a") == waits[0]


async def test_the_wait_is_bounded_and_at_least_what_the_server_asks() -> None:
    queue: WorkQueue[str] = WorkQueue()

    assert queue.add_failed("a", at_least=5) == 5
    for _ in range(2000):
        wait = queue.add_failed("a")

    assert wait == 60


async def test_what_is_given_out_is_waited_for_and_nothing_more_is_given() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("in hand", "waiting"):
        queue.add(key)
    await queue.get()
    draining = asyncio.create_task(queue.drain(2))
    await asyncio.sleep(0)
    next_one = asyncio.create_task(queue.get())
    await asyncio.sleep(0)

    queue.add("late")
    queue.add("in hand")
    queue.done("in hand")

    assert await draining
    await asyncio.sleep(0)
    assert not next_one.done()
    next_one.cancel()


async def test_what_takes_too_long_is_not_waited_for() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()

    assert not await queue.drain(0.01)


async def test_the_longest_work_is_that_of_the_key_that_was_taken_first() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b"):
        queue.add(key)
    assert queue.longest() == 0
    await queue.get()
    await asyncio.sleep(0.02)
    await queue.get()

    assert queue.longest() >= 0.02
    queue.done("a")
    assert queue.longest() < 0.02
    queue.done("b")
    assert queue.longest() == 0
