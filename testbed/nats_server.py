"""A nats-server as a user of the official Helm chart has it, the operator's Secret mounted."""

import http.client
import json
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.binaries import find
from testbed.mounts import mount
from testbed.nats_config import Ports, server_config
from testbed.ports import Port
from testbed.processes import Process

_POD_PATH = "/etc/nats-iotsec"
_RELOADED = "Reloaded server configuration"
_RELOAD_REFUSED = "Failed to reload server configuration"


class ConfigRefusedError(RuntimeError):
    """The server does not accept a configuration; the message is what it says about it."""


def validate(config: Path) -> None:
    """Raise `ConfigRefusedError` when nats-server would not start with this configuration file."""
    answer = subprocess.run(
        [find("nats-server"), "-t", "-c", config], cwd=config.parent, capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise ConfigRefusedError(answer.stderr.strip())


class NatsServer:
    """One nats-server, all its files under `directory`; the end of the `with` block stops it.

    Its addresses hold from the beginning, before it runs and through restarts. `mount` gives it the files of a Hub's
    `…-nats-config` Secret, without whose `server.conf` it cannot `start`. `interval` is how often full resolvers
    compare their accounts with each other; without `full_resolver` it takes no accounts from anybody. `routes` are the
    cluster ports of all members of its cluster `cluster_name`. Where asked it has a listener for leaf nodes, or a
    gateway to one server of each of some other clusters.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "nats-0",
        ports: Ports | None = None,
        routes: Sequence[Port] = (),
        interval: str = "5s",
        full_resolver: bool = True,
        cluster_name: str = "testbed",
        leafnodes: bool = False,
        gateways: Mapping[str, Port] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.name = name
        self.ports = ports or Ports()
        self.log = self.directory / "nats-server.log"
        self.config = self.directory / "nats.conf"
        self._routes = routes
        self._interval = interval
        self._full_resolver = full_resolver
        self._cluster_name = cluster_name
        self._leafnodes = leafnodes
        self._gateways = gateways
        self._secret = self.directory / "iotsec"
        self._process: Process | None = None
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def url(self) -> str:
        """For NATS clients."""
        return f"nats://127.0.0.1:{self.ports.client}"

    @property
    def websocket_url(self) -> str:
        """For NATS clients that speak WebSocket, without TLS."""
        return f"ws://127.0.0.1:{self.ports.websocket}"

    @property
    def mqtt_url(self) -> str:
        """For MQTT clients, without TLS."""
        return f"mqtt://127.0.0.1:{self.ports.mqtt}"

    @property
    def mqtt_websocket_url(self) -> str:
        """For MQTT clients that speak WebSocket, without TLS; the path is nats-server's own."""
        return f"{self.websocket_url}/mqtt"

    @property
    def tls_url(self) -> str:
        """For NATS clients, where the client listener has TLS; nats-py takes a `tls` context beside it."""
        return f"tls://127.0.0.1:{self.ports.client}"

    @property
    def wss_url(self) -> str:
        """For NATS clients that speak WebSocket with TLS."""
        return f"wss://127.0.0.1:{self.ports.websocket}"

    @property
    def mqtts_url(self) -> str:
        """For MQTT clients, with TLS."""
        return f"mqtts://127.0.0.1:{self.ports.mqtt}"

    @property
    def mqtt_wss_url(self) -> str:
        """For MQTT clients that speak WebSocket with TLS."""
        return f"{self.wss_url}/mqtt"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.alive

    @property
    def healthy(self) -> bool:
        """Whether it passes the chart's startup probe: JetStream is there, in a cluster with a leader."""
        return self.monitor("/healthz").get("status") == "ok"

    def mount(self, files: Mapping[str, bytes], *, pod_path: str = _POD_PATH) -> None:
        """Make the mounted Secret's files these; as in a pod, the server learns of it by `reload` or a restart.

        Their text may name files by the path they have in a pod, `pod_path`.
        """
        there, here = f"{pod_path.rstrip('/')}/".encode(), f"{self._secret}/".encode()
        mount(
            self._secret,
            {
                name: content.replace(there, here) if name.endswith(".conf") else content
                for name, content in files.items()
            },
        )
        self._write_config()

    def start(self) -> None:
        """Return when it listens, on all its ports; `wait_ready` when more is needed."""
        self._write_config()
        self._process = Process.serving(
            [find("nats-server"), "-c", self.config],
            self.log,
            cwd=self.directory,
            ready=lambda process: "Server is ready" in process.output(),
        )

    def wait_ready(self, *, peers: int = 0) -> None:
        """Return when it is `healthy` and has routes to so many other servers."""

        def ready(_: Process) -> bool:
            routes = self.monitor("/routez").get("routes", ())
            return len({route["remote_name"] for route in routes}) >= peers and self.healthy

        self.running.wait_ready(ready)

    def stop(self) -> None:
        """End it in order, as a pod's deletion does; a second time does nothing."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """End it as a crash does."""
        self.running.kill()

    def wipe(self) -> None:
        """Lose the volume: all accounts its resolver knew, and JetStream's data. Only while it does not run."""
        if self.alive:
            raise RuntimeError("stop the server before its volume goes")
        for folder in ("resolver", "jetstream"):
            shutil.rmtree(self.directory / folder, ignore_errors=True)

    def reload(self) -> None:
        """Make it read its configuration again; raises `ConfigRefusedError` when it goes on with the old one."""
        process = self.running
        start = process.output_size()
        process.signal(signal.SIGHUP)
        process.wait_ready(lambda _: any(word in process.output(start) for word in (_RELOADED, _RELOAD_REFUSED)))
        refusals = [line for line in process.output(start).splitlines() if _RELOAD_REFUSED in line]
        if refusals:
            raise ConfigRefusedError(refusals[-1])

    def monitor(self, path: str) -> dict[str, Any]:
        """The monitoring endpoint's answer, such as that of "/varz"; empty while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports.monitoring.number, timeout=5)
        try:
            connection.request("GET", path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            connection.close()
        return answer

    @property
    def running(self) -> Process:
        """The process, once started."""
        if self._process is None:
            raise RuntimeError("the server has not been started")
        return self._process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write_config(self) -> None:
        mounted = {file.name for file in self._secret.glob("*.conf")}
        self.config.write_text(
            server_config(
                self.directory,
                name=self.name,
                ports=self.ports,
                routes=self._routes,
                interval=self._interval,
                mounted=mounted,
                full_resolver=self._full_resolver,
                cluster_name=self._cluster_name,
                leafnodes=self._leafnodes,
                gateways=self._gateways,
            )
        )
