"""A status that could not be written is written with the next attempt, and an event is posted once it was."""

from types import SimpleNamespace
from typing import Any

import pytest

from iotsec.decide.plan import Plan
from iotsec.decide.views import Declared
from iotsec.kube.errors import ApiError
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.identity_reporter import IdentityReporter
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue

KEY = Key("Device", "iot", "weather-01")


class Client:
    """An API server that fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.written: list[Any] = []

    async def merge_patch(self, *args: Any, **_: Any) -> dict[str, Any]:
        if self.failures:
            self.failures -= 1
            raise ApiError(503, "ServiceUnavailable", "later")
        self.written.append(args[-1])
        return {}


def condition(status: str, reason: str) -> dict[str, Any]:
    return {"type": "Ready", "status": status, "reason": reason, "message": "…", "lastTransitionTime": "t"}


def world(client: Client, status: dict[str, Any]) -> tuple[IdentityCache, IdentityReporter, list[Any]]:
    cache, events = IdentityCache(), []
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "uid": "u", "resourceVersion": "1"}
    cache.upsert("Device", {"metadata": metadata, "spec": {"hubRef": {"name": "plant"}}, "status": status})
    recorder = SimpleNamespace(record=events.append)
    return cache, IdentityReporter(client, WorkQueue(), cache, recorder), events  # type: ignore[arg-type]


def identity(cache: IdentityCache) -> Declared:
    found = cache.identity(KEY)
    assert found is not None
    return found


async def test_a_status_that_could_not_be_written_is_written_next_time() -> None:
    client = Client(failures=1)
    cache, reporter, events = world(client, {"observedGeneration": -1})
    plan = Plan(status={"observedGeneration": 1, "id": "weather-01", "conditions": [condition("False", "A")]})

    with pytest.raises(ApiError):
        await reporter.tell(KEY, identity(cache), plan, None)
    assert identity(cache).status == {"observedGeneration": -1}
    assert events == []
    await reporter.tell(KEY, identity(cache), plan, None)

    assert client.written == [{"status": plan.status}]
    assert identity(cache).status == plan.status
    assert [e.reason for e in events] == ["A"]


async def test_the_same_status_is_not_written_again() -> None:
    client = Client()
    status = {"observedGeneration": 1, "conditions": [condition("True", "Issued")]}
    cache, reporter, events = world(client, status)

    await reporter.tell(KEY, identity(cache), Plan(status=status), None)

    assert (client.written, events) == ([], [])


async def test_a_first_success_is_no_news_and_a_change_of_reason_is() -> None:
    client = Client()
    cache, reporter, events = world(client, {"observedGeneration": -1})

    for ready in (condition("True", "Issued"), condition("False", "Suspended"), condition("False", "IdTaken")):
        await reporter.tell(KEY, identity(cache), Plan(status={"conditions": [ready]}), None)

    assert [(e.type, e.reason) for e in events] == [("Normal", "Suspended"), ("Warning", "IdTaken")]


async def test_a_status_about_to_be_overtaken_waits_a_moment() -> None:
    client = Client()
    cache, reporter, _ = world(client, {})
    hub = SimpleNamespace(connection=SimpleNamespace(problem=""))
    unsettled = Plan(status={"conditions": [condition("False", "RevocationPending")]}, settled=False)

    await reporter.tell(KEY, identity(cache), unsettled, hub)  # type: ignore[arg-type]
    assert client.written == []
    hub.connection.problem = "no NATS server answers"
    await reporter.tell(KEY, identity(cache), unsettled, hub)  # type: ignore[arg-type]

    assert len(client.written) == 1
