"""A machine within this one: `python -m testbed.node.machine COMMAND…` runs a command on it.

It has a network, mounts and processes of its own (Linux namespaces), and the files of this one. What a node does to the
machine it runs on, bridges, routes, packet filters, mounts, containers, is gone when the command ends, however it ends:
the kernel takes it away. It has no way out, not even to the package registries.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.processes import bound

ADDRESS = "172.30.0.1"
"""The machine's own address, where pods reach it."""

SCRATCH = "IOTSEC_MACHINE"
"""The environment variable that names the machine's folder; set on the machine alone."""

_PREFIX = "iotsec-machine-"
_CGROUPS = Path("/sys/fs/cgroup")
_NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")
# Where a node's programs write whatever they are told: given folders of the machine's own.
_OWN_FOLDERS = ("/run", "/etc/cni", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers")
# What kubelet sets, and would set for the machine around, too: it is shown that all is as it wants it.
_KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
_FORWARDING = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")


def run(command: Sequence[str]) -> int:
    """Run a command on a new machine; gives its exit code."""
    if os.geteuid() != 0:
        print(
            "a machine of its own takes root: sudo make e2e, or KIND=1 make e2e on a cluster of kind", file=sys.stderr
        )
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    _sweep()
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = _locked(scratch)
    try:
        _make_cgroups(scratch.name)
        inside = [sys.executable, "-m", "testbed.node.machine", "--inside", *command]
        return subprocess.run(
            bound(["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc", *inside]),
            env={**os.environ, SCRATCH: str(scratch)},
            check=False,
        ).returncode
    finally:
        _remove(scratch)
        os.close(lock)


def _sweep() -> None:
    """Remove the folders and cgroups of machines that were killed: of those whose lock nobody holds."""
    for scratch in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = _locked(scratch)
            _remove(scratch)
            os.close(lock)


def _locked(scratch: Path) -> int:
    """Hold the lock of a machine as long as the file returned is open; raises `OSError` where somebody else does."""
    lock = os.open(scratch / "lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _remove(scratch: Path) -> None:
    _remove_cgroups(scratch.name)
    shutil.rmtree(scratch, ignore_errors=True)


def here() -> Path:
    """The folder of the machine we are on; raises `RuntimeError` where we are on none."""
    try:
        return Path(os.environ[SCRATCH])
    except KeyError:
        raise RuntimeError("a node needs a machine of its own: python -m testbed.node.machine …") from None


def _inside(command: Sequence[str]) -> int:
    """Be the machine's first process: prepare it, run the command, and bury whoever is left without a parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches the command, too
    _give_folders(here())
    _show_kernel(here())
    _connect()
    child = subprocess.Popen(command, restore_signals=True, preexec_fn=_hear_interrupts)  # noqa: PLW1509 - no threads yet
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _give_folders(scratch: Path) -> None:
    for path in _OWN_FOLDERS:
        own = scratch / path.strip("/")
        own.mkdir(parents=True)
        Path(path).mkdir(parents=True, exist_ok=True)
        _do("mount", "--bind", own, path)


def _show_kernel(scratch: Path) -> None:
    for name, value in _KERNEL.items():
        shown = scratch / "kernel" / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        _do("mount", "--bind", shown, Path("/proc/sys", name))


def _connect() -> None:
    """Loopback, and a link that has the machine's address; its other end is there so that it counts as connected."""
    _do("ip", "link", "set", "lo", "up")
    _do("ip", "link", "add", "node0", "type", "veth", "peer", "name", "nowhere0")
    _do("ip", "address", "add", f"{ADDRESS}/24", "dev", "node0")
    for end in ("node0", "nowhere0"):
        _do("ip", "link", "set", end, "up")
    _do(
        "ip", "route", "add", "default", "dev", "node0"
    )  # Services' addresses are somewhere, before they are translated
    for setting in _FORWARDING:
        Path("/proc/sys", setting).write_text("1")


def _do(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def _make_cgroups(name: str) -> None:
    """Give the machine's pods a place among the cgroups: the one thing that its namespaces do not keep apart."""
    unified = (_CGROUPS / "cgroup.controllers").exists()
    for hierarchy in [_CGROUPS] if unified else [path for path in _CGROUPS.iterdir() if path.is_dir()]:
        (hierarchy / name).mkdir()
    if (_CGROUPS / "cpuset" / name).exists():
        for setting in ("cpuset.cpus", "cpuset.mems"):
            (_CGROUPS / "cpuset" / name / setting).write_text((_CGROUPS / "cpuset" / setting).read_text())


def _remove_cgroups(name: str) -> None:
    for top in (_CGROUPS / name, *_CGROUPS.glob(f"*/{name}")):
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()


def main() -> int:
    """Run the command that our arguments are; gives its exit code."""
    match sys.argv[1:]:
        case ["--inside", *command]:
            return _inside(command)
        case []:
            print(__doc__, file=sys.stderr)
            return 2
        case command:
            return run(command)


if __name__ == "__main__":
    sys.exit(main())
