"""A node's machine leaves nothing behind on the machine around, however it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from testbed.processes import Process
from testbed.waiting import wait_until

pytestmark = pytest.mark.own_node

MACHINE = [sys.executable, "-m", "testbed.node.machine"]
CHANGED = (
    "ip link add left0 type bridge && mount -t tmpfs left /mnt && echo left > /run/left && sysctl -qw vm.panic_on_oom=0"
)


def left_over() -> list[str]:
    """What of the above is there, and who sleeps as long as nobody else does."""
    found = [str(path) for path in (Path("/sys/class/net/left0"), Path("/run/left")) if path.exists()]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if line.startswith("left ")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "4242.4242" in command:
            found.append(command)
    return found


def test_nothing_is_left_when_its_command_ends() -> None:
    done = subprocess.run([*MACHINE, "sh", "-c", f"{CHANGED} && sleep 4242.4242 & sleep 1; exit 3"], check=False)

    assert done.returncode == 3
    assert wait_until(lambda: left_over() == [])


def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    process = Process([*MACHINE, "sh", "-c", f"{CHANGED} && echo ready && sleep 4242.4242"], tmp_path / "log")
    process.wait_ready(lambda running: "ready" in running.output())
    assert left_over() != []  # its processes are seen from here

    process.kill()

    assert wait_until(lambda: left_over() == [])


def test_its_command_reaches_nobody_outside() -> None:
    command = [*MACHINE, "ip", "-4", "-brief", "address"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert [line.split()[0].split("@")[0] for line in listed.splitlines()] == ["lo", "node0"]
