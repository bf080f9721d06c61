"""What the operator is compared with: the same API writes and nothing else, `python -m bench.bare_writer`.

For each Device it creates its Secrets and merge-patches the status, byte for byte as large as the operator's, with as
many requests in flight, as the same ServiceAccount. It decides nothing, signs nothing, watches nothing and tells
nobody. In mode `backlog` the Devices exist; in mode `stream` it creates them too, like the feeder, and writes as they
come.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.feeder import create, names
from bench.session import IN_FLIGHT, MERGE, Session, in_flight
from bench.template import Template
from iotsec.decide.names import FIELD_MANAGER
from iotsec.kube.resources import DEVICES, SECRETS

_MANAGER = f"?fieldManager={FIELD_MANAGER}"


class BareWriter:
    """Makes the writes for one Device after the other."""

    def __init__(self, session: Session, namespace: str, template: Template) -> None:
        self._session = session
        self._namespace = namespace
        self._template = template

    async def write(self, metadata: dict[str, Any]) -> None:
        """Make them for the Device of this metadata."""
        name = metadata["name"]
        for secret in self._template.secrets_for(self._namespace, name, metadata["uid"]):
            await self._session.send("POST", SECRETS.path(self._namespace) + _MANAGER, secret)
        await self._session.send(
            "PATCH",
            DEVICES.path(self._namespace, name, "status") + _MANAGER,
            {"status": self._template.status},
            content_type=MERGE,
        )


async def backlog(admin: Session, writer: BareWriter, namespace: str) -> dict[str, float]:
    """Write for all Devices there are; return when it began and ended, in unix seconds."""
    devices = [item["metadata"] for item in (await admin.get(DEVICES.path(namespace)))["items"]]
    began = time.time()
    await in_flight(devices, writer.write)
    return {"began": began, "ended": time.time()}


async def stream(admin: Session, writer: BareWriter, namespace: str, count: int) -> dict[str, float]:
    """Create Devices, and write for each once it is there; return when it began and ended, in unix seconds."""
    created: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def feed(name: str) -> None:
        created.put_nowait(await create(admin, namespace, name))

    async def write() -> None:
        while (metadata := await created.get()) is not None:
            await writer.write(metadata)

    began = time.time()
    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(write())
        await in_flight(names(count), feed)
        for _ in range(IN_FLIGHT):
            created.put_nowait(None)
    return {"began": began, "ended": time.time()}


async def run(arguments: argparse.Namespace) -> dict[str, float]:
    """Do what the command line asks for."""
    template = Template.read(orjson.loads(arguments.template.read_bytes()))
    namespace = arguments.namespace
    async with Session(arguments.admin) as admin, Session(arguments.kubeconfig) as session:
        writer = BareWriter(session, namespace, template)
        if arguments.mode == "backlog":
            return await backlog(admin, writer, namespace)
        return await stream(admin, writer, namespace, arguments.count)


def main() -> None:
    """Read the command line and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.bare_writer", description=__doc__)
    parser.add_argument("mode", choices=("backlog", "stream"))
    parser.add_argument("--kubeconfig", type=Path, required=True, help="the operator's")
    parser.add_argument("--admin", type=Path, required=True, help="kubeconfig of who creates Devices")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--template", type=Path, required=True, help="JSON file of what to write")
    print(orjson.dumps(uvloop.run(run(parser.parse_args()))).decode(), flush=True)


if __name__ == "__main__":
    main()
