"""Sees when each Device becomes Ready, when its credential is renewed, and when it is gone."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from bench.session import Session
from iotsec.kube.resources import DEVICES

_PATIENCE_SECONDS = 60.0
_SLOWEST_RATE = 10.0
"""Devices a second; an operator that is slower than that hangs."""


@dataclass(slots=True)
class _Seen:
    """When each Device was first seen so, in unix seconds, and who waits for which of them."""

    what: str
    at: dict[str, float] = field(default_factory=dict)
    waiting: list[tuple[set[str], asyncio.Future[None]]] = field(default_factory=list)
    failure: Exception | None = None
    """Why nothing is seen any more."""

    def see(self, name: str, now: float) -> None:
        self.at[name] = now
        for missing, done in self.waiting:
            missing.discard(name)
            if not missing and not done.done():
                done.set_result(None)

    def fail(self, error: Exception) -> None:
        self.failure = error
        for _, done in self.waiting:
            if not done.done():
                done.set_exception(error)

    async def wait(self, names: Iterable[str], *, within: float | None = None) -> float:
        wanted = list(names)
        if within is None:
            within = _PATIENCE_SECONDS + len(wanted) / _SLOWEST_RATE
        missing = {name for name in wanted if name not in self.at}
        done = asyncio.get_running_loop().create_future()
        if not missing:
            done.set_result(None)
        elif self.failure is not None:
            done.set_exception(self.failure)
        self.waiting.append((missing, done))
        try:
            async with asyncio.timeout(within):
                await done
        except TimeoutError:
            some = ", ".join(sorted(missing)[:3])
            raise TimeoutError(
                f"{len(missing)} of {len(wanted)} Devices not {self.what} after {within:g} s: {some}"
            ) from None
        finally:
            self.waiting.remove((missing, done))
        return max(self.at[name] for name in wanted)


class DeviceWatch:
    """The Devices of a namespace from now on; a context manager."""

    def __init__(self, session: Session, namespace: str) -> None:
        self._session = session
        self._namespace = namespace
        self._ready = _Seen("Ready")
        self._gone = _Seen("gone")
        self._renewed = _Seen("renewed")
        self._expires: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        found = await self._session.get(DEVICES.path(self._namespace) + "?limit=1")
        self._task = asyncio.create_task(self._follow(found["metadata"]["resourceVersion"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait_ready(self, names: Iterable[str]) -> float:
        """Wait until all of these were seen Ready; return when the last of them was, in unix seconds."""
        return await self._ready.wait(names)

    async def wait_gone(self, names: Iterable[str]) -> float:
        """Wait until all of these are gone; return when the last of them was, in unix seconds."""
        return await self._gone.wait(names)

    async def wait_renewed(self, names: Iterable[str], *, within: float) -> dict[str, float]:
        """Wait until each of these ends at another time than at first; return when each was seen so, in unix seconds.

        What took longer than `within` seconds is missing in the answer.
        """
        wanted = list(names)
        with contextlib.suppress(TimeoutError):
            await self._renewed.wait(wanted, within=within)
        return {name: self._renewed.at[name] for name in wanted if name in self._renewed.at}

    async def _follow(self, version: str) -> None:
        try:
            # A server ends a watch after half an hour or more, and sooner where nobody reads it for a while.
            while True:
                version = await self._read(version)
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            for seen in (self._ready, self._gone, self._renewed):
                seen.fail(error)

    async def _read(self, version: str) -> str:
        """Take in what one watch shows; return the version it came to."""
        async for event in self._session.watch(DEVICES, self._namespace, version):
            item = event["object"]
            if event["type"] == "ERROR":
                raise ConnectionError(f"the Devices cannot be watched any more: {item.get('message')}")
            version = item["metadata"]["resourceVersion"]
            self._take_in(item, time.time(), gone=event["type"] == "DELETED")
        return version

    def _take_in(self, item: dict[str, Any], now: float, *, gone: bool) -> None:
        name = item["metadata"]["name"]
        if gone:
            self._gone.see(name, now)
            return
        if name not in self._ready.at and is_ready(item):
            self._ready.see(name, now)
        end = (item.get("status") or {}).get("expiresAt")
        if end and name not in self._renewed.at and self._expires.setdefault(name, end) != end:
            self._renewed.see(name, now)


def is_ready(device: dict[str, Any]) -> bool:
    """Tell whether a Device is Ready as its latest spec says."""
    status: dict[str, Any] = device.get("status") or {}
    return status.get("observedGeneration") == device["metadata"]["generation"] and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions") or ()
    )
