"""What a running cluster has written down about itself, for `down` and for people."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import run
from typing import Self, TypedDict

_FILE = "state.json"
_START_TIME = 19  # of the fields of /proc/<pid>/stat behind the program's name, which may itself hold spaces


class Identity(TypedDict):
    """A process, told apart from a later one with the same number."""

    pid: int
    started: str


def identity() -> Identity:
    """Who we are."""
    return {"pid": os.getpid(), "started": _started(os.getpid())}


@dataclass(frozen=True)
class State:
    """A cluster that is ready: its owner's process and its addresses."""

    pid: int
    started: str
    nats_url: str
    websocket_url: str

    def write(self, directory: Path) -> None:
        """Record it, in one step."""
        draft = directory / f"{_FILE}.new"
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(directory / _FILE)

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """The cluster recorded in `directory`, if there is one."""
        try:
            return cls(**json.loads((directory / _FILE).read_text()))
        except FileNotFoundError:
            return None

    @property
    def running(self) -> bool:
        """Whether the process is still there, and still the same."""
        return self.started != "" and _started(self.pid) == self.started


def _started(pid: int) -> str:
    """When the process was started, in the words of this system; empty when there is none."""
    if Path("/proc/self/stat").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_TIME]
        except (FileNotFoundError, ProcessLookupError):
            return ""
    return run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
