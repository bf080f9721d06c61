"""A program that has nothing to do with the operator and reads a ConfigMap every 50 ms: `python -m bench.bystander`.

It logs in as a ServiceAccount like the operator's own, so the API server treats both alike. Each request goes at its
time, whether or not those before it were answered: slow answers hide no others. It ends when its standard input does.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from bench.programs import Program, running
from bench.session import Session
from bench.site import Fleet

_EVERY_SECONDS = 0.05
_CONFIG_MAP = "bystander"
_ACCOUNT = "default"  # every namespace has this one


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the API server."""

    asked_at: float
    """Unix seconds."""
    milliseconds: float


class Bystander:
    """One that reads, until it is asked what came of that."""

    def __init__(self, program: Program) -> None:
        self._program = program

    async def answers(self) -> list[Answer]:
        """Make it end; return all that it was answered."""
        found = (await self._program.result())["answers"]
        return [Answer(asked_at, milliseconds) for asked_at, milliseconds in found]


@asynccontextmanager
async def bystander(fleet: Fleet) -> AsyncIterator[Bystander]:
    """Have it read while the block runs."""
    arguments = ("--kubeconfig", await _admit(fleet), "--namespace", fleet.namespace)
    async with running("bench.bystander", *arguments) as program:
        yield Bystander(program)


async def _admit(fleet: Fleet) -> Path:
    """Give it something to read and leave to read that; return how it logs in."""
    namespace, site = fleet.namespace, fleet.site
    metadata = {"name": _CONFIG_MAP, "namespace": namespace}
    await site.session.send("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": metadata})
    await site.session.send(
        "POST",
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
        {
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": namespace}],
        },
    )
    return site.plane.kubeconfig_for(f"{namespace}/{_ACCOUNT}")


async def read(session: Session, path: str) -> list[tuple[float, float]]:
    """Read until standard input ends; return when each answer was asked for, and how many milliseconds it took."""
    answers: list[tuple[float, float]] = []

    async def once() -> None:
        asked_at, began = time.time(), time.perf_counter()
        await session.get(path)
        answers.append((asked_at, (time.perf_counter() - began) * 1000))

    await session.get(path)  # a connection is there, as it is of any program that reads so often
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    due = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as requests:
        while not end.done():
            requests.create_task(once())
            due += _EVERY_SECONDS
            await asyncio.sleep(due - asyncio.get_running_loop().time())
    return answers


async def run(arguments: argparse.Namespace) -> dict[str, list[tuple[float, float]]]:
    """Do it."""
    path = f"/api/v1/namespaces/{arguments.namespace}/configmaps/{_CONFIG_MAP}"
    async with Session(arguments.kubeconfig) as session:
        return {"answers": await read(session, path)}


def main() -> None:
    """Read the command line and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.bystander", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="the bystander's")
    parser.add_argument("--namespace", required=True)
    print(orjson.dumps(uvloop.run(run(parser.parse_args()))).decode(), flush=True)


if __name__ == "__main__":
    main()
