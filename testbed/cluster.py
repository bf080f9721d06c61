"""`make cluster` and `make cluster-down`: a control plane and a nats-server that stay after the command."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from testbed.binaries import CONTROL_PLANE, find
from testbed.state import State

_START_SECONDS = 120
_STOP_SECONDS = 20
_POLL_SECONDS = 0.05


def up(directory: Path) -> int:
    """Start a cluster kept in `directory` unless one runs there; gives the exit code."""
    state = State.read(directory)
    if state is None or not state.running:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, mode=0o700)
        for name in (*CONTROL_PLANE, "nats-server"):
            find(name)  # here, where somebody sees what takes minutes the first time
        state = _start(directory)
    if state is None:
        print((directory / "testbed.log").read_text(), file=sys.stderr)
        return 1
    print(_welcome(state, directory))
    return 0


def down(directory: Path) -> int:
    """Stop the cluster kept in `directory` and remove it; gives the exit code."""
    state = State.read(directory)
    if state:
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + _STOP_SECONDS
            if state.running:
                os.kill(state.pid, number)
            while state.running and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _start(directory: Path) -> State | None:
    with (directory / "testbed.log").open("wb") as log:
        # A session of its own: neither Ctrl-C nor the end of this terminal reaches it.
        owner = subprocess.Popen(
            [sys.executable, "-m", "testbed", "run", "--directory", directory],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and owner.poll() is None:
        if state := State.read(directory):
            return state
        time.sleep(_POLL_SECONDS)
    owner.terminate()
    return None


def _welcome(state: State, directory: Path) -> str:
    kubectl = "kubectl" if shutil.which("kubectl") else "$(.venv/bin/python -m testbed find kubectl)"
    return "\n".join(
        [
            f"Kubernetes is ready; nats-server will serve at {state.nats_url}",
            f"  (WebSocket {state.websocket_url}) once the operator has written its configuration.",
            "",
            f"  export KUBECONFIG={directory / 'kubeconfig'}",
            f"  {kubectl} apply -k {directory / 'quickstart'}",
            "  make run                # the operator, here",
            "  make cluster-down       # stops and removes all this",
        ]
    )
