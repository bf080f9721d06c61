"""What a process uses, as Linux's /proc tells."""

import asyncio
import os
import time
from pathlib import Path

from bench.arithmetic import quiet_since

_UTIME, _STIME, _START = 11, 12, 19  # of the fields of /proc/<pid>/stat behind the program's name
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.05
# A heartbeat of a server, a bookmark of a watch: a resting operator uses a few milliseconds now and then.
_QUIET_WINDOW, _QUIET_SHARE = 1.0, 0.05


class Usage:
    """One process; its children do not count, the operator has none."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    def cpu_seconds(self) -> float:
        """CPU time so far, user and system, of all threads, in seconds (to a hundredth)."""
        fields = self._stat()
        return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS

    def rss_mib(self) -> float:
        """Resident memory, in MiB."""
        status = (self._proc / "status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def started_at(self) -> float:
        """When the process was started, in unix seconds (to a hundredth)."""
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(self._stat()[_START]) / _TICKS
        return time.time() - age

    async def wait_quiet(self, *, within: float = 120.0) -> float:
        """Wait until it rests: at most 5 % of one core throughout a second; return since when, in unix seconds.

        Raises:
            TimeoutError: it is still busy after `within` seconds.

        """
        samples: list[tuple[float, float]] = []
        async with asyncio.timeout(within):
            while True:
                samples.append((time.time(), self.cpu_seconds()))
                since = quiet_since(samples, window=_QUIET_WINDOW, share=_QUIET_SHARE)
                if since is not None:
                    return since
                await asyncio.sleep(_SAMPLE_SECONDS)

    def _stat(self) -> list[str]:
        return (self._proc / "stat").read_text().rpartition(")")[2].split()
