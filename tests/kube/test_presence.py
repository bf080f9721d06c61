"""Presence is written seldom and loses nothing by that; its writes are no work for anybody, and Off means none."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from iotsec.decide.ledger import Ledger
from iotsec.decide.times import rfc3339
from iotsec.kube.errors import ApiError
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.presence import Presences
from iotsec.nats import jwt
from iotsec.nats.claims import UserClaims
from iotsec.nats.keys import KeyType, SigningKey

NOW = 1_800_000_000
HUB = Key("Hub", "iot", "plant")
PACE = 0.3


def new_key(kind: KeyType) -> SigningKey:
    return SigningKey.generate(kind, os.urandom(32))


ACCOUNT, SIGNER = new_key(KeyType.ACCOUNT), new_key(KeyType.ACCOUNT)


class Client:
    """An API server that fails as often as it is told to."""

    def __init__(self) -> None:
        self.failures = 0
        self.written: list[tuple[str, dict[str, Any]]] = []

    async def merge_patch(self, _: Any, __: str, name: str, patch: Any, **___: Any) -> dict[str, Any]:
        if self.failures:
            self.failures -= 1
            raise ApiError(503, "ServiceUnavailable", "later")
        self.written.append((name, patch["status"]))
        return {}

    def of(self, name: str) -> list[dict[str, Any]]:
        return [status for written, status in self.written if written == name]


class Plant:
    """A Hub with Devices, whose servers say what the test has them say."""

    def __init__(self, presences: Presences, cache: IdentityCache, client: Client) -> None:
        self.presences = presences
        self.cache = cache
        self.client = client
        self.keys: dict[str, SigningKey] = {}
        account = SimpleNamespace(
            keys=SimpleNamespace(public=ACCOUNT.public, unscoped=(SIGNER,), scoped={}), recorded=Ledger()
        )
        view = SimpleNamespace(
            accounts={"iot": account}, account_name=lambda public: "iot" if public == ACCOUNT.public else ""
        )
        # While the servers cannot be asked, all that is known is what they tell.
        connection = SimpleNamespace(problem="no NATS server answers")
        self.hub: Any = SimpleNamespace(
            key=HUB, spec=SimpleNamespace(presence="Paced"), view=view, connection=connection, attendance=None
        )

    def device(self, name: str, *, version: int = 1, **status: Any) -> tuple[bool, set[Key]]:
        """Show a Device as the watch does; return whether that is work, and for whom else."""
        key = self.keys.setdefault(name, new_key(KeyType.USER))
        known = {"account": "iot", "id": name, "publicKey": key.public, **status}
        metadata = {
            "name": name,
            "namespace": "iot",
            "uid": name,
            "resourceVersion": str(version),
            "creationTimestamp": rfc3339(NOW - 1000),
        }
        item = {"metadata": metadata, "spec": {"hubRef": {"name": "plant"}}, "status": known}
        _, work, concerned = self.cache.upsert("Device", item)
        return work, concerned

    def tell(self, event: str, name: str, cid: int = 7) -> None:
        """Have a server tell that a Device connected, left or was refused."""
        key = self.keys.setdefault(name, new_key(KeyType.USER))
        token = jwt.encode(
            UserClaims(issuer_account=ACCOUNT.public),
            SIGNER,
            subject=key.public,
            name=name,
            issued_at=NOW - 100,
            expires_at=NOW + 100,
        )
        client = {"id": cid, "jwt": token, "host": "10.0.0.7", "start": rfc3339(NOW), "stop": rfc3339(NOW + 5)}
        body = {"server": {"id": "N"}, "client": client, "timestamp": rfc3339(NOW), "reason": "Authentication Failure"}
        subject = "$SYS.SERVER.N.CLIENT.AUTH.ERR" if event == "AUTH.ERR" else f"$SYS.ACCOUNT.{ACCOUNT.public}.{event}"
        assert self.hub.attendance.heard(subject, json.dumps(body).encode())

    async def wait_written(self, name: str, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            while len(self.client.of(name)) < count:  # noqa: ASYNC110 - the client is a list
                await asyncio.sleep(0.01)
        return self.client.of(name)


@asynccontextmanager
async def kept(*, writes_per_second: float = 1000) -> AsyncIterator[Plant]:
    """A plant whose presence is kept, nearly at once."""
    client, cache = Client(), IdentityCache()
    presences = Presences(
        client=client,  # type: ignore[arg-type]
        cache=cache,
        clock=lambda: NOW,
        writes_per_second=writes_per_second,
        pace_seconds=PACE,
        settle_seconds=0.02,
    )
    task = asyncio.create_task(presences.run())
    await asyncio.sleep(0)
    plant = Plant(presences, cache, client)
    presences.attend(plant.hub)
    try:
        yield plant
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_happens_within_the_pace_is_written_as_it_is_in_the_end() -> None:
    async with kept() as plant:
        plant.device("weather-01")
        plant.tell("CONNECT", "weather-01", 1)
        await plant.wait_written("weather-01", 1)
        began = asyncio.get_running_loop().time()

        plant.tell("AUTH.ERR", "weather-01")
        for cid in range(2, 40):
            plant.tell("CONNECT", "weather-01", cid)
            plant.tell("DISCONNECT", "weather-01", cid)
        plant.tell("DISCONNECT", "weather-01", 1)

        first, second = await plant.wait_written("weather-01", 2)
        assert asyncio.get_running_loop().time() - began > PACE * 0.9
        assert first == {"connected": True, "lastSeen": rfc3339(NOW)}
        assert second == {
            "connected": False,
            "lastSeen": rfc3339(NOW + 5),
            "lastDenied": {"time": rfc3339(NOW), "reason": "Authentication Failure", "from": "10.0.0.7"},
        }


async def test_all_statuses_together_are_written_within_the_budget() -> None:
    async with kept(writes_per_second=20) as plant:
        names = [f"weather-{n}" for n in range(10)]
        began = asyncio.get_running_loop().time()
        for cid, name in enumerate(names):
            plant.device(name)
            plant.tell("CONNECT", name, cid)

        for name in names:
            await plant.wait_written(name, 1)

        assert asyncio.get_running_loop().time() - began >= (len(names) - 1) / 20


async def test_the_echo_of_a_write_is_no_work_for_anybody() -> None:
    async with kept() as plant:
        plant.device("weather-01")
        plant.tell("CONNECT", "weather-01")
        (written,) = await plant.wait_written("weather-01", 1)

        assert plant.device("weather-01", version=2, **written) == (False, set())


async def test_a_write_that_failed_is_made_again() -> None:
    async with kept() as plant:
        plant.client.failures = 1
        plant.device("weather-01")
        plant.tell("CONNECT", "weather-01")

        assert await plant.wait_written("weather-01", 1) == [{"connected": True, "lastSeen": rfc3339(NOW)}]


async def test_a_device_that_is_faster_than_its_status_is_found_later() -> None:
    async with kept() as plant:
        plant.tell("CONNECT", "early")
        plant.device("early")
        plant.hub.connection.problem = ""
        plant.hub.servers = SimpleNamespace(known={"N": None})
        plant.hub.attendance.follow = lambda _: asyncio.sleep(0)  # the servers are not asked again
        plant.hub.attendance.leave = lambda: asyncio.sleep(0)

        plant.presences.attend(plant.hub)

        assert (await plant.wait_written("early", 1))[0]["connected"] is True


async def test_nothing_is_remembered_of_who_left_and_was_told_of() -> None:
    async with kept() as plant:
        plant.device("weather-01")
        plant.tell("CONNECT", "weather-01")
        plant.tell("DISCONNECT", "weather-01")
        await plant.wait_written("weather-01", 1)

        assert list(plant.hub.attendance) == []


@pytest.mark.parametrize("end", ["switched off", "deleted"])
async def test_presence_is_removed_with_the_hubs_wish_for_it(end: str) -> None:
    async with kept() as plant:
        plant.device("told", connected=True, lastSeen=rfc3339(NOW))
        plant.device("untold")
        plant.hub.attendance.leave = lambda: asyncio.sleep(0)

        if end == "switched off":
            plant.hub.spec = SimpleNamespace(presence="Off")
            plant.presences.attend(plant.hub)
        else:
            plant.presences.forget(HUB)

        assert await plant.wait_written("told", 1) == [{"connected": None, "lastSeen": None}]
        assert plant.hub.attendance is None
        assert plant.client.of("untold") == []
