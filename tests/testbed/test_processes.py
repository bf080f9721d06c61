import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testbed.ports import Port
from testbed.processes import PortTakenError, Process, ProcessFailedError, with_fresh_ports
from testbed.waiting import wait_until

OWNER = """
import sys, time
from pathlib import Path
from testbed.processes import Process
child = Process([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(600)
"""

SERVER = """
import socket, sys, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Go does
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("serving", flush=True)
time.sleep(600)
"""


def serve(port: int, log: Path) -> Process:
    command = [sys.executable, "-c", SERVER, str(port)]
    return Process.serving(command, log, ready=lambda process: "serving" in process.output())


def is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_process_is_dead_after_its_owner_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "log")]
    project = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=project) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        assert not is_gone(child)
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: is_gone(child))


def test_a_process_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    port = Port()
    with ThreadPoolExecutor(1) as pool:
        process = pool.submit(serve, port.number, tmp_path / "log").result()
    with process, pytest.raises(TimeoutError):
        wait_until(lambda: not process.alive, within=0.3)
    assert not process.alive


def test_a_process_that_dies_early_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no configuration')"]
    with pytest.raises(ProcessFailedError, match=r"exit code 1 before it was ready(.|\n)*no configuration"):
        Process.serving(command, tmp_path / "log", ready=lambda _: False)


def test_a_process_that_is_never_ready_is_not_left_behind(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(ProcessFailedError, match="not ready after"):
        Process.serving([sys.executable, "-c", script], tmp_path / "log", ready=lambda _: False, within=1)
    assert is_gone(int(pid_file.read_text()))


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", script]
    process = Process.serving(command, tmp_path / "log", ready=lambda process: "ready" in process.output())
    process.stop(within=0.1)
    assert is_gone(process.pid)


def test_a_lost_race_for_a_port_is_run_again_with_another(tmp_path: Path, taken: int) -> None:
    free = Port()
    choices = iter([taken, taken, free.number])
    with with_fresh_ports(lambda: serve(next(choices), tmp_path / "log")) as process:
        assert process.alive
        socket.create_connection(("127.0.0.1", free.number)).close()


def test_races_that_are_always_lost_end(tmp_path: Path, taken: int) -> None:
    with pytest.raises(PortTakenError):
        with_fresh_ports(lambda: serve(taken, tmp_path / "log"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot share a bound port")
def test_a_reserved_port_is_refused_to_others_and_usable_by_our_server_again_and_again(tmp_path: Path) -> None:
    port = Port()
    for run in range(2):
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", port.number))
        with serve(port.number, tmp_path / f"log-{run}"):
            socket.create_connection(("127.0.0.1", port.number)).close()


def test_a_port_is_given_back_with_its_object() -> None:
    port = Port()
    number = port.number
    del port
    with socket.socket() as other:
        other.bind(("127.0.0.1", number))
