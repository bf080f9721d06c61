"""Somebody who has nothing to do with the operator and reads a ConfigMap every 50 ms: `python -m bench.bystander`.

He is a ServiceAccount like the operator's own, so the API server treats both alike. Each request goes at its time,
whether or not those before it were answered: slow answers hide no others. Ends when its standard input does.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import uvloop

from bench.programs import Program, running
from bench.session import Session
from bench.site import Fleet

_EVERY_SECONDS = 0.05
_CONFIG_MAP = "bystander"
_ACCOUNT = "default"  # every namespace has this one


async def admit(fleet: Fleet) -> Path:
    """Give the bystander something to read and leave to read it; return how he logs in."""
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


@asynccontextmanager
async def bystander(fleet: Fleet, kubeconfig: Path) -> AsyncIterator[Program]:
    """Have him read while the block runs; the result holds the `milliseconds` that each answer took."""
    arguments = ("--kubeconfig", kubeconfig, "--namespace", fleet.namespace)
    async with running("bench.bystander", *arguments) as program:
        yield program


async def read(session: Session, path: str) -> list[float]:
    """Read until standard input ends; return how many milliseconds each answer took."""
    milliseconds: list[float] = []

    async def once() -> None:
        began = time.perf_counter()
        await session.get(path)
        milliseconds.append((time.perf_counter() - began) * 1000)

    await session.get(path)  # a connection is there, as it is of any program that reads so often
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    due = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as requests:
        while not end.done():
            requests.create_task(once())
            due += _EVERY_SECONDS
            await asyncio.sleep(due - asyncio.get_running_loop().time())
    return milliseconds


async def run(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Do it."""
    path = f"/api/v1/namespaces/{arguments.namespace}/configmaps/{_CONFIG_MAP}"
    async with Session(arguments.kubeconfig) as session:
        return {"milliseconds": await read(session, path)}


def main() -> None:
    """Read the command line and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.bystander", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="the bystander's")
    parser.add_argument("--namespace", required=True)
    print(orjson.dumps(uvloop.run(run(parser.parse_args()))).decode(), flush=True)


if __name__ == "__main__":
    main()
