"""The power is cut, again and again, in the middle of everything; afterwards everything is as it was asked for."""

import random
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fleet.conftest import Site

from testbed.clients import connect_as, is_refused
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

DEVICES = 50
ROUNDS = 6


class Collector:
    """Everything that ever stood in a creds file of a namespace: what somebody may have copied."""

    def __init__(self, user: User) -> None:
        self.creds: set[str] = set()
        self._path = f"/api/v1/namespaces/{user.namespace}/secrets?watch=true&timeoutSeconds=120"
        self._user = user
        self._last = ""

    def run(self) -> None:
        for event in self._user.api.watch(self._path):
            data = event["object"].get("data") or {}
            if "nats.creds" in data:
                self.creds.add(b64decode(data["nats.creds"]).decode())
            self._last = event["object"]["metadata"]["name"]
            if self._last == "the-end":
                return

    def finish(self) -> None:
        self._user.create("Secret", "the-end")


@contextmanager
def collected(user: User) -> Iterator[Collector]:
    collector = Collector(user)
    thread = threading.Thread(target=collector.run, daemon=True)
    thread.start()
    yield collector
    collector.finish()
    thread.join(30)
    assert not thread.is_alive()


def life(user: User, name: str, dice: random.Random) -> list[Callable[[], object]]:
    """What is done to one Device, in order; its last spec is what it must be in the end."""
    steps: list[Callable[[], object]] = [lambda: user.apply_device(name)]
    for _ in range(dice.randint(0, 3)):
        spec = dice.choice(
            [
                {"role": "device-any"},
                {"suspended": True},
                {"suspended": False},
                {"permissions": {"publish": {"allow": ["event.{id}"]}}},
                {"deviceId": f"{name}-b"},
                {"rotation": {"jwt": {"duration": "1h"}}},
            ]
        )
        steps.append(lambda spec=spec: user.apply_device(name, **spec))  # type: ignore[misc]
    if dice.random() < 0.4:
        steps.append(lambda: user.delete("Device", name))
    return steps


def shuffled(lives: list[list[Callable[[], object]]], dice: random.Random) -> Iterator[Callable[[], object]]:
    """All steps of all lives, each life in its order."""
    left = [steps[:] for steps in lives]
    while left := [steps for steps in left if steps]:
        yield dice.choice(left).pop(0)


def is_settled(user: User, name: str) -> bool:
    device = user.get("Device", name)
    if device is None:
        return True
    status = device["status"]
    reason = condition_of(device, "Ready").get("reason")
    wanted = "Suspended" if device["spec"].get("suspended") else "Issued"
    return status["observedGeneration"] == device["metadata"]["generation"] and reason == wanted


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_the_moment_of_a_crash_who_was_given_up_is_out_and_all_others_are_in(
    site: Site, operator: Operator, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a reproducible choice, no secret
    user = site.user
    names = [f"device-{n:02}" for n in range(DEVICES)]
    steps = list(shuffled([life(user, name, dice) for name in names], dice))
    crashes = set(dice.sample(range(10, len(steps)), ROUNDS))

    with collected(user) as seen:
        absent = 0
        for number, step in enumerate(steps):
            step()
            if number in crashes and operator.is_running:
                operator.kill()
                absent = dice.randint(0, 8)  # so many steps find nobody there
            elif absent:
                absent -= 1
            if not absent and not operator.is_running:
                operator.start()
        if not operator.is_running:
            operator.start()
        for name in names:
            wait_until(lambda name=name: is_settled(user, name), within=60, what=f"{name} is as it should be")  # type: ignore[misc]

    alive = {n: d for n in names if (d := user.get("Device", n)) is not None and not d["spec"].get("suspended")}
    current = {name: user.creds(name) for name in alive}
    assert 10 < len(current) < DEVICES
    assert len(seen.creds) > len(current)
    for creds in seen.creds - set(current.values()):
        assert await is_refused(site.url, creds)
    for name, creds in current.items():
        device_id = alive[name]["spec"].get("deviceId", name)
        async with connect_as(site.url, creds) as device:
            assert await device.may_publish(f"device.{device_id}.telemetry")
    gone = [name for name in names if user.get("Device", name) is None]
    for name in gone:
        user.wait_gone("Secret", f"{name}-device-creds")
