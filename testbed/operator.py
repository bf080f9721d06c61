"""The operator as a process of its own, logged in as its ServiceAccount with that account's rights and no more."""

import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.control_plane import ControlPlane
from testbed.ports import Port
from testbed.processes import Process

SERVICE_ACCOUNT = "iot-security-operator/iot-security-operator"


class Operator:
    """`iotsec run` against a control plane that has the project's manifests; the end of the `with` block stops it."""

    def __init__(self, control_plane: ControlPlane, directory: Path, *, log_level: str = "DEBUG") -> None:
        self._control_plane = control_plane
        self._log_level = log_level
        self.log = directory / "operator.log"
        """Everything it printed, of all its lives."""
        self._metrics, self._revocation = Port(), Port()
        self._process: Process | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it and wait until it knows everything there is and works on it."""
        kubeconfig = self._control_plane.kubeconfig_for(SERVICE_ACCOUNT)
        command: list[str | Path] = [Path(sys.prefix) / "bin" / "iotsec", "run", "--kubeconfig", kubeconfig]
        command += ["--log-level", self._log_level]
        self._process = Process.serving(
            command,
            self.log,
            ready=lambda process: '"event": "started"' in process.output(),
            environment={
                "IOTSEC_METRICS": f"127.0.0.1:{self._metrics}",
                "IOTSEC_REVOCATION": f"127.0.0.1:{self._revocation}",
            },
        )

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
