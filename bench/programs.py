"""The benchmark's own programs, each run as a process of its own so that none waits for another's work."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parent.parent


class ProgramFailedError(RuntimeError):
    """A program of ours ended with an error; what it said is on stderr."""


async def run_program(module: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a module to its end and return the JSON object it printed; one that is not waited for is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        raise ProgramFailedError(f"{module} ended with exit code {process.returncode}")
    result: dict[str, Any] = orjson.loads(output)
    return result


async def run_feeder(admin: Path, namespace: str, count: int, *, first: int = 0) -> dict[str, Any]:
    """Create Devices as fast as can be; the answer says when it `began` and `ended`, in unix seconds."""
    return await run_program(
        "bench.feeder",
        *("--kubeconfig", admin, "--namespace", namespace, "--count", str(count), "--first", str(first)),
    )
