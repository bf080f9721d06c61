"""Creates Devices as fast as it can, as a process of its own: `python -m bench.feeder`."""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.session import Session, in_flight
from iotsec.kube.resources import DEVICES

HUB = "plant"


def names(count: int, *, first: int = 0) -> list[str]:
    """The names of so many Devices, all of one length."""
    return [f"device-{number:05d}" for number in range(first, first + count)]


def device(namespace: str, name: str, *, role: str = "") -> dict[str, Any]:
    """The least Device there is; of the default role unless one is given."""
    return {
        "apiVersion": DEVICES.api_version,
        "kind": DEVICES.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hubRef": {"name": HUB}, **({"role": role} if role else {})},
    }


async def create(session: Session, namespace: str, name: str, *, role: str = "") -> dict[str, Any]:
    """Create a Device; return its metadata."""
    body = device(namespace, name, role=role)
    answer = orjson.loads(await session.send("POST", DEVICES.path(namespace), body))
    metadata: dict[str, Any] = answer["metadata"]
    return metadata


async def feed(session: Session, namespace: str, wanted: Iterable[str], *, role: str = "") -> None:
    """Create all of them."""
    await in_flight(wanted, lambda name: create(session, namespace, name, role=role))


async def run(arguments: argparse.Namespace) -> dict[str, float]:
    """Do it; return when it began and ended, in unix seconds."""
    async with Session(arguments.kubeconfig) as session:
        began = time.time()
        wanted = names(arguments.count, first=arguments.first)
        await feed(session, arguments.namespace, wanted, role=arguments.role)
        return {"began": began, "ended": time.time()}


def main() -> None:
    """Read the command line and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.feeder", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="an administrator's")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first Device")
    parser.add_argument("--role", default="", help="theirs; by default the one that every Device has")
    print(orjson.dumps(uvloop.run(run(parser.parse_args()))).decode(), flush=True)


if __name__ == "__main__":
    main()
