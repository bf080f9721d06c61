"""A replica's way from its start to its end: it waits for kinds that fit and for its turn, works, and makes way."""

import asyncio
from typing import Protocol

from iotsec.decide import duty
from iotsec.decide.duty import Phase, Verdict
from iotsec.decide.lease import Terms
from iotsec.kube.election import Election
from iotsec.kube.served_kinds import ServedKinds


class Work(Protocol):
    """What only one replica does at a time."""

    failed: asyncio.Future[str]
    """Done once a part of it ended by itself, and names it."""

    async def start(self) -> None:
        """Start working; returns once everything there is is known."""

    async def stop(self) -> None:
        """Bring to an end what is under way, and do no more; also where it was never started."""

    def problem(self) -> str:
        """Return what keeps it from knowing all there is; empty where nothing does."""

    def longest(self) -> float:
        """Return for how many seconds the longest work on one object goes on; 0 where nothing is worked on."""

    def elected(self, election: Election) -> None:
        """Take note that this replica was chosen."""


class Duty:
    """One replica; without an ``election`` it is the only one."""

    def __init__(self, work: Work, election: Election | None, kinds: ServedKinds) -> None:
        self._work = work
        self._kinds = kinds
        self._election = election
        self._phase = Phase.WAITING
        self._task: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done once this replica can do no more by itself, and says why: it must be started anew."""

    @property
    def leads(self) -> bool:
        """Whether this is the replica that works."""
        if self._election is None:
            return self._phase in (Phase.STARTING, Phase.WORKING)
        return self._election.holds

    @property
    def stands_by(self) -> bool:
        """Whether another replica works."""
        return self._phase is Phase.STANDBY

    def alive(self) -> Verdict:
        """Answer a liveness probe."""
        return duty.alive(self._work.longest())

    def ready(self) -> Verdict:
        """Answer a readiness probe."""
        election = self._election
        return duty.ready(
            self._phase,
            unheard=election.unheard if election is not None else 0.0,
            terms=election.terms if election is not None else Terms(),
            problem=self._kinds.problem or self._work.problem(),
        )

    async def start(self) -> None:
        """Set out; returns at once."""
        self._task = asyncio.create_task(self._run(), name="duty")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Bring to an end what is under way, then let another replica go on."""
        self._phase = Phase.STOPPING
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._work.stop()
        if self._election is not None:
            await self._election.release()
        self.ended.cancel()  # nobody need wait for it any more: kopf would, for five seconds

    async def _run(self) -> None:
        await self._kinds.fit()  # first: who could not work must not keep another from it
        if self._election is None:
            self._phase = Phase.STARTING
            await self._on_duty()
            return
        self._phase = Phase.STANDBY
        await self._election.win()
        self._phase = Phase.STARTING
        self._work.elected(self._election)
        working = asyncio.create_task(self._on_duty(), name="on duty")
        working.add_done_callback(self._ended)
        try:
            # Beside the start, too: to learn all there is may take longer than the lease lasts.
            await self._election.keep()
            self._end("it holds the lease no longer")
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _on_duty(self) -> None:
        self._work.failed.add_done_callback(self._failed)
        await self._work.start()
        self._phase = Phase.WORKING

    def _failed(self, failed: asyncio.Future[str]) -> None:
        self._end(f"it has no {failed.result()} any more")

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.ended.done():
            self.ended.set_exception(error)

    def _end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)
