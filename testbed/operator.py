"""The operator as a process of its own, logged in as its ServiceAccount with that account's rights and no more."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import HTTPError
from urllib.request import urlopen

from testbed.control_plane import ControlPlane
from testbed.ports import Port
from testbed.processes import Process
from testbed.waiting import wait_until

SERVICE_ACCOUNT = "iot-security-operator/iot-security-operator"
LEASE = "iot-security-operator/iot-security-operator"
"""By which replicas choose who works; the project's manifests let them."""


class Operator:
    """`iotsec run` against a control plane that has the project's manifests; the end of the `with` block stops it.

    `environment` is what it is told beside where to listen: a replica of several its name, and their `IOTSEC_LEASE`.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        *,
        log_level: str = "DEBUG",
        service_account: str = SERVICE_ACCOUNT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._control_plane = control_plane
        self._log_level = log_level
        self._service_account = service_account
        self._environment = environment or {}
        self.log = directory / "operator.log"
        """Everything it printed, of all its lives."""
        self._metrics, self._revocation, self._probes = Port(), Port(), Port()
        self._process: Process | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def start(self, until: str = "started") -> None:
        """Start it and wait until its log tells an event: by default, that it knows everything there is and works."""
        kubeconfig = self._control_plane.kubeconfig_for(self._service_account)
        command: list[str | Path] = [Path(sys.prefix) / "bin" / "iotsec", "run", "--kubeconfig", kubeconfig]
        command += ["--log-level", self._log_level]
        self._process = Process.serving(
            command,
            self.log,
            ready=lambda process: self._tells(until, process),
            environment={
                "IOTSEC_LIVENESS": f"http://127.0.0.1:{self._probes}/healthz",
                "IOTSEC_METRICS": f"127.0.0.1:{self._metrics}",
                "IOTSEC_REVOCATION": f"127.0.0.1:{self._revocation}",
                **self._environment,
            },
        )

    def wait_told(self, event: str, *, within: float = 60) -> None:
        """Wait until the log of this life of it tells an event."""
        self.running().wait_ready(lambda process: self._tells(event, process), within=within)

    def tells(self, event: str) -> bool:
        """Whether the log of this life of it tells an event."""
        return self._tells(event, self.running())

    def probe(self, path: str) -> tuple[int, str]:
        """Ask what a kubelet asks, at `/healthz` or `/readyz`; return the status and the words."""
        try:
            with urlopen(f"http://127.0.0.1:{self._probes}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()

    @staticmethod
    def _tells(event: str, process: Process) -> bool:
        return f'"event": "{event}"' in process.output()

    @property
    def metrics_url(self) -> str:
        """What Prometheus scrapes, while it runs."""
        return f"http://127.0.0.1:{self._metrics}/metrics"

    @property
    def revocation_url(self) -> str:
        """What a TLSPolicy's `spec.revocation.url` says; the same in all its lives."""
        return f"http://127.0.0.1:{self._revocation}"

    def stop(self) -> None:
        """Stop it gracefully, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        self.running().kill()
        self._process = None

    def wait_ended(self, *, within: float = 60) -> int:
        """Wait until it ended by itself, and return its exit code."""
        process = self.running()
        wait_until(lambda: not process.alive, within=within, what="the operator ended")
        self._process = None
        return process.exit_code

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._process is not None

    def running(self) -> Process:
        """Return its process; it must have been started."""
        if self._process is None:
            raise RuntimeError("the operator is not running: start it first")
        return self._process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def replica(control_plane: ControlPlane, directory: Path, name: str, **environment: str) -> Operator:
    """One operator of several; the pod of its name is what it takes itself for."""
    told = {"POD_NAME": name, "IOTSEC_LEASE": LEASE, **environment}
    return Operator(control_plane, directory / name, environment=told)
