"""The folder of an example, applied as its reader would: in the test's namespace, and for the test's server."""

from pathlib import Path

import yaml
from broker.storing_server import environment
from fleet.conftest import ROOT, Site

from testbed.apply import apply
from testbed.nats_server import NatsServer
from testbed.user import Object, User

EXAMPLES = ROOT / "examples"
_BEFORE_SERVERS = {"Hub", "Issuer", "TLSPolicy"}


class Example:
    """Applies the folders of examples, where they need changes for that."""

    def __init__(self, user: User, server: NatsServer, directory: Path) -> None:
        self._user, self._server, self._directory = user, server, directory

    def apply(self, folder: str) -> Site:
        """Apply the Hub, start its server, apply the rest, and wait until all of it is Ready."""
        objects = [thing for file in sorted((EXAMPLES / folder).glob("*.yaml")) for thing in self._objects(file)]
        self._apply([thing for thing in objects if thing["kind"] in _BEFORE_SERVERS])
        if any(thing["kind"] == "TLSPolicy" for thing in objects):
            self._user.wait_for("Secret", "plant-nats-config", lambda s: any(n.endswith(".key") for n in s["data"]))
        self._server.mount(self._user.wait_secret("plant-nats-config"))
        with environment(self._user.secret("plant-jetstream-key") or {}):
            self._server.start()
        self._user.wait_ready("Hub", "plant")
        self._apply(objects)
        for thing in objects:
            if thing["apiVersion"].startswith("iotsec.dev/"):
                self._user.wait_ready(thing["kind"], thing["metadata"]["name"])
        return Site(self._user, self._server)

    def _objects(self, file: Path) -> list[Object]:
        found = list(yaml.safe_load_all(file.read_text()))
        for labels in (thing["metadata"].get("labels") for thing in found if thing["kind"] == "Namespace"):
            self._user.label_namespace(labels or {})
        return [thing for thing in found if thing["kind"] != "Namespace"]

    def _apply(self, objects: list[Object]) -> None:
        for thing in objects:
            thing["metadata"]["namespace"] = self._user.namespace
            if thing["kind"] == "Hub":
                thing["spec"]["nats"]["servers"] = [self._server.url]
        file = self._directory / "objects.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        apply(self._user.api, [file])
