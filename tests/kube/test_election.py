"""A Lease is held by one, at a real API server; `tests/fleet/test_replicas.py` has whole processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from kube.api_client import api_client

from iotsec.decide.lease import Terms
from iotsec.kube.election import Election, NotLeaderError
from iotsec.kube.keys import Key
from testbed.control_plane import ControlPlane
from testbed.waiting import until

TERMS = Terms(3)


class Candidates:
    """Those who want one Lease."""

    def __init__(self, plane: ControlPlane, namespace: str, running: AsyncExitStack) -> None:
        self._plane = plane
        self._running = running
        self._key = Key("Lease", namespace, "operator")
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/operator"

    async def one(self, name: str, **more: Any) -> Election:
        client = await self._running.enter_async_context(api_client(self._plane.kubeconfig, sending=_at_once))
        return Election(client, self._key, identity=name, terms=TERMS, **more)

    async def slow(self, name: str, answered: asyncio.Event, heard: asyncio.Event) -> Election:
        """One to whom the answer to its first request for the Lease comes late: when it is `heard`."""
        client = await self._running.enter_async_context(api_client(self._plane.kubeconfig, sending=_at_once))
        create = client.create

        async def late(*asked: Any) -> dict[str, Any]:
            answer = await create(*asked)
            answered.set()
            await heard.wait()
            return answer

        client.create = late  # type: ignore[method-assign]
        return Election(client, self._key, identity=name, terms=TERMS)

    async def leader(self, name: str, **more: Any) -> Election:
        """One that holds the Lease, and does not renew it."""
        election = await self.one(name, **more)
        await election.win()
        return election

    def lease(self) -> dict[str, Any]:
        return self._plane.api.request("GET", self._path)

    def touch(self) -> None:
        """What `kubectl annotate` does."""
        body = {"metadata": {"annotations": {"somebody": "was here"}}}
        self._plane.api.request("PATCH", self._path, body, content_type="application/merge-patch+json")

    def holder(self) -> str:
        return str(self.lease()["spec"]["holderIdentity"])


async def _at_once() -> None:
    """Nothing to wait for before a write."""


@pytest.fixture
async def candidates(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Candidates]:
    async with AsyncExitStack() as running:
        yield Candidates(control_plane, namespace, running)


async def test_who_renews_keeps_it_from_another_of_the_same_name(candidates: Candidates) -> None:
    first = await candidates.leader("a")
    keeping = asyncio.create_task(first.keep())
    second = await candidates.one("a")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(TERMS.duration + 1):
            await second.win()

    assert (first.holds, second.holds) == (True, False)
    keeping.cancel()


async def test_who_renews_no_more_may_not_work_when_another_may(candidates: Candidates) -> None:
    first = await candidates.leader("a", now=lambda: 4_000_000_000.0)  # by its clock, it is the year 2096
    first.guard()

    second = await candidates.leader("b")

    assert candidates.holder() == "b"
    assert candidates.lease()["spec"]["leaseTransitions"] == 1
    with pytest.raises(NotLeaderError):
        first.guard()
    second.guard()


async def test_what_a_hand_touched_is_renewed_and_released_all_the_same(candidates: Candidates) -> None:
    election = await candidates.leader("a", about={"iotsec.dev/where": "here"})
    candidates.touch()
    keeping = asyncio.create_task(election.keep())
    before = candidates.lease()["spec"]["renewTime"]
    await until(lambda: candidates.lease()["spec"]["renewTime"] != before)
    keeping.cancel()
    candidates.touch()

    await election.release()

    assert candidates.holder() == ""
    assert candidates.lease()["metadata"]["annotations"] == {"somebody": "was here"}


async def test_what_was_released_is_taken_at_once(candidates: Candidates) -> None:
    election = await candidates.leader("a")
    waiting = asyncio.create_task(candidates.leader("b", about={"iotsec.dev/where": "there"}))

    await election.release()
    async with asyncio.timeout(TERMS.duration / 2):
        await waiting

    assert candidates.lease()["metadata"]["annotations"] == {"iotsec.dev/where": "there"}


async def test_who_is_told_to_stop_while_it_takes_it_releases_it(candidates: Candidates) -> None:
    answered, heard = asyncio.Event(), asyncio.Event()
    election = await candidates.slow("a", answered, heard)
    winning = asyncio.create_task(election.win())
    await answered.wait()
    assert candidates.holder() == "a"

    winning.cancel()
    asyncio.get_running_loop().call_soon(heard.set)
    await asyncio.gather(winning, return_exceptions=True)
    await election.release()

    assert candidates.holder() == ""


async def test_who_lost_it_does_not_release_it_for_another(candidates: Candidates) -> None:
    first = await candidates.leader("a")
    await candidates.leader("b")

    await first.release()
    await first.keep()

    assert candidates.holder() == "b"
