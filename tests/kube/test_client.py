"""The client: what is asked waits for no watch, however many there are, and is not sent long after it might be."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from kube.api_client import api_client

from iotsec.decide.lease import Terms
from iotsec.kube.access import Access
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError
from iotsec.kube.resources import SECRETS, Selection
from testbed.control_plane import ControlPlane

NAMESPACES = 12
KINDS = 9  # that are watched in each


async def _at_once() -> None:
    """Nothing to wait for before a write."""


async def watching(client: Client, namespace: str, began: asyncio.Semaphore) -> None:
    """Watch Secrets of a namespace from their beginning, and tell once one is seen."""
    async for event in client.watch(Selection(SECRETS, namespace), "0"):
        if event["type"] == "ADDED" and event["object"]["metadata"]["name"] == "before":
            began.release()


def secret(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}


async def test_an_operator_of_many_namespaces_has_connections_left_for_its_work(
    control_plane: ControlPlane, namespace: str
) -> None:
    began = asyncio.Semaphore(0)
    async with AsyncExitStack() as running:
        client = await running.enter_async_context(api_client(control_plane.kubeconfig, sending=_at_once))
        watches = await running.enter_async_context(asyncio.TaskGroup())
        tasks = [watches.create_task(watching(client, namespace, began)) for _ in range(NAMESPACES * KINDS)]

        async with asyncio.timeout(10):
            await client.create(SECRETS, namespace, secret("before"))
            for _ in tasks:
                await began.acquire()
            await client.create(SECRETS, namespace, secret("after"))

        for task in tasks:
            task.cancel()


async def test_what_cannot_be_sent_soon_is_not_sent_when_another_replica_may_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says who it is
        access = Access(f"https://127.0.0.1:{silent.getsockname()[1]}")
        async with Client(access, sending=_at_once) as client:
            began = time.monotonic()

            with pytest.raises(ApiError, match="Timeout"):
                await client.create(SECRETS, "any", secret("late"))

    assert time.monotonic() - began < Terms().duration - Terms().renew_deadline + 1
