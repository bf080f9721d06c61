"""The benchmark's own programs, each run as a process of its own so that none waits for another's work."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parent.parent


class ProgramFailedError(RuntimeError):
    """A program of ours ended with an error; what it said is on stderr."""


class Program:
    """A module that runs, and ends by itself or when its standard input does."""

    def __init__(self, module: str, process: asyncio.subprocess.Process) -> None:
        self._module = module
        self._process = process

    async def begun(self) -> None:
        """Wait for a line that it prints once it is at work; raises `ProgramFailedError` where it ended instead."""
        assert self._process.stdout is not None  # noqa: S101 - `running` has it so
        if not await self._process.stdout.readline():
            raise ProgramFailedError(f"{self._module} ended before it was at work")

    async def result(self) -> dict[str, Any]:
        """End its standard input, wait for its own end, and return the JSON object it printed.

        Raises:
            ProgramFailedError: it ended with an error.

        """
        output, _ = await self._process.communicate(b"")
        if self._process.returncode:
            raise ProgramFailedError(f"{self._module} ended with exit code {self._process.returncode}")
        result: dict[str, Any] = orjson.loads(output)
        return result


@asynccontextmanager
async def running(module: str, *arguments: str | Path) -> AsyncIterator[Program]:
    """Have a module run; one whose result is not waited for is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *map(str, arguments)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Program(module, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def run_program(module: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a module to its end and return the JSON object it printed; one that is not waited for is killed."""
    async with running(module, *arguments) as program:
        return await program.result()


async def run_feeder(admin: Path, namespace: str, count: int, *, first: int = 0, role: str = "") -> dict[str, Any]:
    """Create Devices as fast as can be; the answer says when it `began` and `ended`, in unix seconds."""
    return await run_program(
        "bench.feeder",
        *("--kubeconfig", admin, "--namespace", namespace, "--count", str(count), "--first", str(first)),
        *("--role", role),
    )
