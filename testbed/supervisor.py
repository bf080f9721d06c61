"""What `make cluster` leaves running: one process that owns the control plane and a nats-server."""

import base64
import http.client
import signal
import sys
import time
from pathlib import Path
from typing import Any

from testbed.api import Api, RequestRefusedError
from testbed.control_plane import ControlPlane
from testbed.nats_server import ConfigRefusedError, NatsServer
from testbed.processes import ProcessFailedError
from testbed.quickstart import write_quickstart
from testbed.state import State, identity

_SECRETS = "/api/v1/secrets?watch=true&labelSelector=iotsec.dev%2Fcomponent%3Dnats-config"
_NAME_ENDS = "-nats-config"
_RETRY_SECONDS = 1


def run(directory: Path, *, project: Path) -> None:
    """Serve until SIGTERM or Ctrl-C; `directory` is where everything is kept and what is ready is recorded."""
    earlier = State.read(directory)
    if earlier and earlier.running:
        sys.exit(f"a cluster runs in {directory} already")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    installed = [folder for folder in (project / "crds", project / "manifests") if folder.is_dir()]
    with (
        ControlPlane(directory / "control-plane", manifests=installed) as plane,
        NatsServer(directory / "nats") as server,
    ):
        kubeconfig = directory / "kubeconfig"
        kubeconfig.unlink(missing_ok=True)
        kubeconfig.symlink_to(plane.kubeconfig)
        write_quickstart(project / "examples" / "quickstart", directory / "quickstart", nats_url=server.url)
        State(**identity(), nats_url=server.url, websocket_url=server.websocket_url).write(directory)
        _serve(plane.api, _Nats(server))


def _serve(api: Api, nats: "_Nats") -> None:
    while True:
        try:
            for event in api.watch(_SECRETS):
                nats.see(event["type"], event["object"])
        except (OSError, http.client.HTTPException, RequestRefusedError) as error:
            print(f"watching Secrets: {error}", flush=True)
            time.sleep(_RETRY_SECONDS)


class _Nats:
    """The nats-server, which follows the first Secret made for one, until that Secret goes."""

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._followed: str | None = None
        self._files: dict[str, bytes] = {}

    def see(self, what: str, secret: dict[str, Any]) -> None:
        """Act on one event of the watch on Secrets."""
        uid = secret.get("metadata", {}).get("uid")
        if what == "DELETED" and uid == self._followed:
            print("its Secret is gone: nats-server stops and loses its volume", flush=True)
            self._server.stop()
            self._server.wipe()
            self._followed, self._files = None, {}
        elif what in {"ADDED", "MODIFIED"} and secret["metadata"]["name"].endswith(_NAME_ENDS):
            self._follow(uid, {name: base64.b64decode(text) for name, text in (secret.get("data") or {}).items()})

    def _follow(self, uid: str, files: dict[str, bytes]) -> None:
        if files == self._files or self._followed not in {None, uid}:
            return
        self._followed, self._files = uid, files
        self._server.mount(files)
        try:
            self._reload_or_restart()
        except ProcessFailedError as error:
            print(f"nats-server waits for a better Secret: {error}", flush=True)

    def _reload_or_restart(self) -> None:
        if self._server.alive:
            try:
                self._server.reload()
            except (ConfigRefusedError, ProcessFailedError) as error:
                print(f"nats-server restarts: {error}", flush=True)
                self._server.stop()
        if not self._server.alive:
            self._server.start()
            print(f"nats-server serves at {self._server.url}", flush=True)
