"""Child processes that never outlive their owner, log to a file, and say why they died."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

_TAIL_LINES = 15
_POLL_SECONDS = 0.02
_ATTEMPTS = 5

# The kernel sends the "parent died" signal when the *thread* that started the child ends. So one thread starts them
# all and lives as long as the program, whichever short-lived thread asked.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="testbed-starter")

# Asks for SIGKILL at the parent's death, then becomes the real program. Not a preexec_fn: that runs Python between
# fork and exec, which can deadlock where the parent has threads. The parent may already have died: hence the check.
_BOUND = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("its parent has died")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ProcessFailedError(RuntimeError):
    """A process ended, or did not become ready, when it should serve; the message ends with the tail of its log."""


class PortTakenError(ProcessFailedError):
    """A process ended because something else listens on a port it was given."""


class Process:
    """One run of a program as our child, its output appended to a log file; dies with us, even by SIGKILL.

    `environment` is what it is told beside our own.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        command_bound = bound(command)
        with log.open("ab") as output:
            self._child = _starter.submit(
                # Its own process group: Ctrl-C in a terminal reaches us alone, and we stop our children in order.
                lambda: subprocess.Popen(
                    command_bound,
                    cwd=cwd,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
            ).result()

    @classmethod
    def serving(
        cls,
        command: Sequence[str | Path],
        log: Path,
        *,
        ready: Callable[["Process"], bool],
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        within: float = 60,
    ) -> Self:
        """Start a server and return when it is ready; one that fails is not left behind."""
        process = cls(command, log, cwd=cwd, environment=environment)
        try:
            process.wait_ready(ready, within=within)
        except BaseException:
            process.kill()
            raise
        return process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    @property
    def exit_code(self) -> int:
        """What it ended with; it must have ended."""
        return self._child.wait()

    def output(self, start: int = 0) -> str:
        """What this run has logged, from the byte `start` of its own output on."""
        with self.log.open("rb") as log:
            log.seek(self._log_start + start)
            return log.read().decode(errors="replace")

    def output_size(self) -> int:
        """How many bytes this run has logged."""
        return self.log.stat().st_size - self._log_start

    def wait_ready(self, ready: Callable[["Process"], bool], *, within: float = 60) -> None:
        """Return once `ready` holds; raise as soon as the process is dead, or after `within` seconds."""
        deadline = time.monotonic() + within
        while not ready(self):
            if not self.alive:
                raise self._failure(f"{self.name} ended with exit code {self._child.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(f"{self.name} is not ready after {within:g} s")
            time.sleep(_POLL_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        self._child.send_signal(number)

    def stop(self, *, within: float = 10) -> None:
        """Ask it to end (SIGTERM), and after `within` seconds no longer ask (SIGKILL)."""
        self._child.terminate()
        try:
            self._child.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL)."""
        self._child.kill()
        self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _failure(self, what: str) -> ProcessFailedError:
        tail = self.output().splitlines()[-_TAIL_LINES:]
        kind = PortTakenError if any("address already in use" in line.lower() for line in tail) else ProcessFailedError
        return kind("\n".join([f"{what}; the end of {self.log}:", *tail]))


def bound(command: Sequence[str | Path]) -> list[str]:
    """Return a command that dies with us, even by SIGKILL, as long as the thread lives that starts it."""
    program = shutil.which(command[0]) or command[0]
    return [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), str(program), *map(str, command[1:])]


def with_fresh_ports(start: Callable[[], T]) -> T:
    """Call `start`, which picks its ports itself, again when another program was faster at one of them."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(PortTakenError):
            return start()
    return start()
