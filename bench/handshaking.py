"""Devices that shake hands with their server all the time: `python -m bench.handshaking`.

Each shows what its Secret held some seconds ago, as a program in a pod does whose volume the kubelet has yet to bring
up to date. It says so once every Device was there, and ends when its standard input does, after all were there again.
"""

import argparse
import asyncio
import ssl
import sys
import tempfile
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.programs import Program, running
from bench.session import Session, in_flight
from bench.site import Fleet
from iotsec.decide import names
from iotsec.kube.resources import SECRETS
from testbed.handshakes import shake_hands


@dataclass(frozen=True, slots=True)
class Met:
    """What the Devices met with."""

    made: int
    """Handshakes that both sides were content with."""
    refused: Mapping[str, int]
    """How many were not, by what was said."""
    bundles: int
    """Different trust bundles that the Devices verified their server by."""
    servers: int
    """Different certificates that it showed."""


@asynccontextmanager
async def handshaking(fleet: Fleet, *, rate: float, late: float) -> AsyncIterator["Crowd"]:
    """Have all Devices with certificates shake hands while the block runs; begins when every one was there.

    `rate` is how many handshakes there are a second, at most; `late` how old, in seconds, what they show is.
    """
    async with running(
        "bench.handshaking",
        *("--kubeconfig", fleet.site.plane.kubeconfig, "--namespace", fleet.namespace),
        *("--port", str(fleet.server.ports.client), "--rate", str(rate), "--late", str(late)),
    ) as program:
        await program.begun()
        yield Crowd(program)


class Crowd:
    """Those who shake hands, until they are asked what came of that."""

    def __init__(self, program: Program) -> None:
        self._program = program

    async def met(self) -> Met:
        """Have all of them be there once more; return what they met with."""
        return Met(**await self._program.result())


@dataclass(slots=True)
class Volumes:
    """What the Secrets of the Devices held some seconds ago."""

    directory: Path
    late: float
    """Seconds."""
    held: dict[str, Mapping[str, bytes]] = field(default_factory=dict)

    def bring(self, secret: Mapping[str, Any]) -> None:
        """Let its Device have what a Secret holds."""
        if secret["metadata"].get("labels", {}).get(names.COMPONENT) == names.CERTIFICATE:
            self.held[secret["metadata"]["name"]] = {k: b64decode(v) for k, v in secret["data"].items()}

    def context(self, name: str) -> ssl.SSLContext:
        """What a Device trusts and shows; a new one each time, so that no session is resumed."""
        data = self.held[name]
        context = ssl.create_default_context(cadata=data[names.CA_KEY].decode())
        pair = self.directory / name  # OpenSSL reads certificates from files alone
        pair.write_bytes(data[names.TLS_PRIVATE_KEY] + data[names.TLS_CERTIFICATE_KEY])
        context.load_cert_chain(pair)
        return context

    async def follow(self, session: Session, namespace: str, version: str) -> None:
        """Bring what changes, some seconds later."""
        loop = asyncio.get_running_loop()
        while True:
            async for event in session.watch(SECRETS, namespace, version):
                if event["type"] == "ERROR":
                    raise ConnectionError(f"the Secrets cannot be watched any more: {event['object'].get('message')}")
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "DELETED":
                    loop.call_later(self.late, self.bring, event["object"])


class Handshakes:
    """The Devices shake hands in turn, and what comes of it is counted."""

    def __init__(self, volumes: Volumes, port: int, rate: float) -> None:
        self._volumes = volumes
        self._port = port
        self._pause = 1 / rate
        self._due = 0.0
        self._over = False
        self._made = 0
        self._refused: Counter[str] = Counter()
        self._bundles: set[bytes] = set()
        self._servers: set[str] = set()

    async def go_on(self) -> None:
        """Shake hands until told to end."""
        await in_flight(self._turns(list(self._volumes.held)), self._shake)

    async def once(self) -> None:
        """Have every Device shake hands."""
        await in_flight(list(self._volumes.held), self._shake)

    def end(self) -> None:
        """Let nobody begin any more."""
        self._over = True

    def met(self) -> Met:
        """What came of it."""
        return Met(self._made, self._refused, len(self._bundles), len(self._servers))

    def _turns(self, devices: Sequence[str]) -> Iterator[str]:
        while not self._over:
            yield from devices

    async def _shake(self, device: str) -> None:
        loop = asyncio.get_running_loop()
        self._due = max(self._due + self._pause, loop.time())
        await asyncio.sleep(self._due - loop.time())
        self._bundles.add(self._volumes.held[device][names.CA_KEY])
        met = await shake_hands(self._port, self._volumes.context(device))
        if met.accepted:
            self._made += 1
            self._servers.add(met.fingerprint)
        else:
            self._refused[met.error] += 1


async def run(arguments: argparse.Namespace, directory: Path) -> Met:
    """Do what the command line asks for."""
    async with Session(arguments.kubeconfig) as session:
        volumes = Volumes(directory, arguments.late)
        listed = await session.get(SECRETS.path(arguments.namespace))
        for secret in listed["items"]:
            volumes.bring(secret)
        follow = asyncio.create_task(
            volumes.follow(session, arguments.namespace, listed["metadata"]["resourceVersion"])
        )
        handshakes = Handshakes(volumes, arguments.port, arguments.rate)
        await handshakes.once()
        print("{}", flush=True)
        going_on = asyncio.create_task(handshakes.go_on())
        await asyncio.to_thread(sys.stdin.read)
        await asyncio.sleep(volumes.late)  # what was written last is there by then
        handshakes.end()
        await going_on
        await handshakes.once()
        if follow.done():
            follow.result()
        follow.cancel()
        return handshakes.met()


def main() -> None:
    """Read the command line and print two JSON objects: an empty one, and what was met with."""
    parser = argparse.ArgumentParser(prog="python -m bench.handshaking", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="an administrator's")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--port", type=int, required=True, help="of the server's listener for clients")
    parser.add_argument("--rate", type=float, required=True, help="handshakes a second, at most")
    parser.add_argument("--late", type=float, required=True, help="seconds from a Secret to its Device")
    with tempfile.TemporaryDirectory(prefix="iotsec-bench-") as directory:
        print(orjson.dumps(uvloop.run(run(parser.parse_args(), Path(directory)))).decode(), flush=True)


if __name__ == "__main__":
    main()
