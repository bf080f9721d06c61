"""Presence in the statuses of identities: written seldom, whatever happens how often in between.

An identity's status is written at most once in so many seconds and says then what is so then; all of them together
are written at so many a second at most. Nothing here runs for a Hub that does not ask for presence.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import orjson
import structlog

from iotsec.broker.connection import UnavailableError
from iotsec.broker.link import heed_cancellation
from iotsec.broker.presence import Attendance
from iotsec.decide.advisories import Issuers, User, issuers_of
from iotsec.decide.presence import FIELDS, absent_status, is_of, present_status, together
from iotsec.decide.times import unix
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache, Record
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS
from iotsec.kube.status_writer import write_status

log = structlog.get_logger()

_PACE_SECONDS = 60.0
_SETTLE_SECONDS = 1.0  # who tries several times in a row is not written of at the first
_RETRY_SECONDS = 1.0
# A device may be faster with its creds than the status that tells its key.
_CLAIM_SECONDS = 60.0
_TOLD = tuple(f'"{name}":'.encode() for name in FIELDS)


@dataclass(slots=True)
class _Watched:
    """A Hub whose presence is kept."""

    hub: HubRuntime
    attendance: Attendance = field(init=False)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    users: dict[Key, set[User]] = field(default_factory=dict)
    """The users that each identity is, of those something is known of."""
    unclaimed: dict[User, float] = field(default_factory=dict)
    """Users that no identity is, and since when; by the event loop's clock."""
    task: asyncio.Task[None] | None = None

    def issuers(self) -> Issuers:
        """Return who signs for the Hub's users now."""
        return issuers_of(self.hub.view) if self.hub.view is not None else Issuers({}, {})


class Presences:
    """Keeps presence for the Hubs that ask for it."""

    def __init__(
        self,
        *,
        client: Client,
        cache: IdentityCache,
        clock: Callable[[], int],
        writes_per_second: float,
        pace_seconds: float = _PACE_SECONDS,
        settle_seconds: float = _SETTLE_SECONDS,
    ) -> None:
        """Prepare.

        ``pace_seconds`` lie at least between two writes of one identity's status, ``settle_seconds`` before the first.
        """
        self._client = client
        self._cache = cache
        self._clock = clock
        self._pause = 1 / writes_per_second
        self._pace = pace_seconds
        self._settle = settle_seconds
        self._queue: WorkQueue[Key] = WorkQueue()
        self._watched: dict[Key, _Watched] = {}
        self._swept: set[Key] = set()
        """Hubs without presence whose identities say nothing of it any more, or soon."""
        self._written: dict[Key, float] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Write what is due, for ever."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._queue.run_clock(), name="presence clock")
            await self._write_out()

    def attend(self, hub: HubRuntime) -> None:
        """Take note of what a Hub's spec says and who its servers are now."""
        watched = self._watched.get(hub.key)
        wanted = hub.spec is not None and hub.spec.presence == "Paced"
        if watched is not None and (not wanted or watched.hub is not hub):
            self._leave(watched)
            watched = None
        if not wanted:
            if hub.key not in self._swept:
                self._swept.add(hub.key)
                self._sweep(hub.key)
            return
        self._swept.discard(hub.key)
        if watched is None:
            watched = self._begin(hub)
        watched.wake.set()

    def forget(self, hub: Key) -> None:
        """Take note that a Hub is gone."""
        if (watched := self._watched.get(hub)) is not None:
            self._leave(watched)
            self._sweep(hub)
        self._swept.discard(hub)

    def _begin(self, hub: HubRuntime) -> _Watched:
        if self._tasks is None:
            raise RuntimeError("run() must have begun")
        watched = _Watched(hub)
        watched.attendance = Attendance(
            hub.connection,
            issuers=watched.issuers,
            changed=lambda user: self._changed(watched, user),
            clock=self._clock,
        )
        hub.attendance = watched.attendance
        self._watched[hub.key] = watched
        watched.task = self._tasks.create_task(self._follow(watched), name=f"presence {hub.key}")
        return watched

    def _leave(self, watched: _Watched) -> None:
        del self._watched[watched.hub.key]
        watched.hub.attendance = None
        if watched.task is not None:
            watched.task.cancel()

    def _sweep(self, hub: Key) -> None:
        """Have presence removed from every status that says anything of it."""
        for key in self._cache.of_hub((hub.namespace, hub.name)):
            record = self._cache.get(key)
            if record is not None and any(field in record.status for field in _TOLD):
                self._queue.add(key)

    async def _follow(self, watched: _Watched) -> None:
        hub, attendance = watched.hub, watched.attendance
        try:
            while True:
                await watched.wake.wait()
                watched.wake.clear()
                if hub.view is None or hub.connection.problem or not hub.servers.known:
                    continue  # what was known last stays
                try:
                    known_again = await attendance.follow(hub.servers.known.keys())
                except UnavailableError as error:
                    log.debug("presence not read", hub=str(hub.key), error=str(error), action="presence")
                    continue
                finally:
                    heed_cancellation()
                if known_again:
                    self._check(watched)
                self._claim(watched)
                attendance.strangers.tell(hub.key.place)
        finally:
            if hub.attendance is None:  # it may have been switched on again already
                await attendance.leave()

    def _check(self, watched: _Watched) -> None:
        """Look at all who are connected, and at all who are said to be."""
        for user in watched.attendance:
            self._changed(watched, user)
        for key in self._cache.of_hub((watched.hub.key.namespace, watched.hub.key.name)):
            record = self._cache.get(key)
            if record is not None and b'"connected":true' in record.status:
                self._schedule(key)

    def _changed(self, watched: _Watched, user: User) -> None:
        key = self._whose(watched.hub, user)
        if key is None:
            watched.unclaimed.setdefault(user, asyncio.get_running_loop().time())
        else:
            watched.unclaimed.pop(user, None)
            watched.users.setdefault(key, set()).add(user)
            self._schedule(key)

    def _claim(self, watched: _Watched) -> None:
        """Look again for those who are nobody: their identities may only not have been known yet."""
        now = asyncio.get_running_loop().time()
        for user, since in tuple(watched.unclaimed.items()):
            self._changed(watched, user)
            if user in watched.unclaimed and now - since > _CLAIM_SECONDS:
                del watched.unclaimed[user]
                presence = watched.attendance.of(user)
                if presence.denied is not None:
                    watched.attendance.strangers.note(presence.denied.host)
                watched.attendance.drop(user, presence)

    def _whose(self, hub: HubRuntime, user: User) -> Key | None:
        """Tell which identity a user is: the one that has its key, before one that has its id."""
        found: Key | None = None
        for key in self._cache.asking((hub.key.namespace, hub.key.name), id_=user.id, public_key=user.key):
            record = self._cache.get(key)
            if record is not None and _is_of(hub, user, record):
                if record.holds_key == user.key:
                    return key
                found = key
        return found

    def _schedule(self, key: Key) -> None:
        now = asyncio.get_running_loop().time()
        due = max(now + self._settle, self._written.get(key, float("-inf")) + self._pace)
        self._queue.add_after(key, due - now)

    async def _write_out(self) -> None:
        while True:
            key = await self._queue.get()
            wrote = True
            try:
                wrote = await self._tell(key)
                self._queue.forget(key)
            except ApiError as error:
                delay = self._queue.add_failed(key, at_least=max(_RETRY_SECONDS, error.retry_after or 0.0))
                log.warning("presence not written", object=str(key), error=str(error), retry_seconds=round(delay, 1))
            finally:
                self._queue.done(key)
            await asyncio.sleep(self._pause if wrote else 0)

    async def _tell(self, key: Key) -> bool:
        """Make a status say what is so now; tell whether that was a write."""
        record = self._cache.get(key)
        if record is None or record.deleting:
            return False
        status = orjson.loads(record.status)
        watched = self._watched.get(Key(HUBS.kind, *record.hub))
        if watched is None:
            return await self._write(key, status, absent_status(status))
        users = [user for user in watched.users.pop(key, ()) if _is_of(watched.hub, user, record)]
        known = {user: watched.attendance.of(user) for user in users}
        watched.users[key] = set(users)
        wrote = await self._write(key, status, present_status(status, together(known.values())))
        for user, presence in known.items():
            if watched.attendance.drop(user, presence):
                watched.users[key].discard(user)
        if not watched.users[key]:
            del watched.users[key]
        return wrote

    async def _write(self, key: Key, status: dict[str, object], wanted: dict[str, object]) -> bool:
        if wanted == status:
            return False
        resource = IDENTITY_KINDS[key.kind].resource
        # Before the write, so that its echo is no news; the watch may be faster than the answer.
        self._cache.wrote_status(key, wanted)
        try:
            wrote = await write_status(self._client, resource, key.namespace, key.name, previous=status, wanted=wanted)
        except BaseException:
            self._take_back(key, status)
            raise
        self._note_write(key)
        return wrote

    def _take_back(self, key: Key, status: dict[str, object]) -> None:
        """Remember that presence is not as it was to be written; the rest may have been written by others meanwhile."""
        if (record := self._cache.get(key)) is not None:
            said = {name: status[name] for name in FIELDS if name in status}
            self._cache.wrote_status(key, absent_status(orjson.loads(record.status)) | said)

    def _note_write(self, key: Key) -> None:
        now = asyncio.get_running_loop().time()
        self._written.pop(key, None)
        self._written[key] = now
        while self._written and (oldest := next(iter(self._written))) and now - self._written[oldest] > self._pace:
            del self._written[oldest]


def _is_of(hub: HubRuntime, user: User, record: Record) -> bool:
    account = hub.view.account_name(user.account) if hub.view is not None else ""
    created = 0
    with suppress(ValueError):
        created = unix(record.created)
    return bool(account) and is_of(user, account=account, status=orjson.loads(record.status), created=created)
