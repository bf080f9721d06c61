"""The real Helm with the project's chart, as somebody uses it who installs the operator."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed.binaries import find

CHART = Path(__file__).parents[2] / "charts" / "iot-security-operator"
RELEASE = "iot-security-operator"
Object = dict[str, Any]
Values = Mapping[str, Any]

_IMAGE = {"repository": "registry.example.com/iot-security-operator"}


class HelmRefusedError(RuntimeError):
    """Helm said no; the message is what it said."""


@dataclass(frozen=True)
class Rendered:
    """The objects that Helm renders."""

    objects: tuple[Object, ...]

    def of(self, kind: str) -> list[Object]:
        """All of a kind."""
        return [thing for thing in self.objects if thing["kind"] == kind]

    def one(self, kind: str) -> Object:
        """The only one of a kind."""
        (thing,) = self.of(kind)
        return thing

    @property
    def names(self) -> set[tuple[str, str]]:
        """Kind and name of each."""
        return {(thing["kind"], thing["metadata"]["name"]) for thing in self.objects}

    @property
    def pod(self) -> Object:
        """The spec of the operator's pods."""
        spec: Object = self.one("Deployment")["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Object:
        """Its container."""
        (container,) = self.pod["containers"]
        found: Object = container
        return found

    @property
    def environment(self) -> dict[str, str]:
        """The container's variables that have a value of their own."""
        return {one["name"]: one["value"] for one in self.container["env"] if "value" in one}


class Helm:
    """Helm, with a folder for what it keeps, and a cluster if it is given one."""

    def __init__(self, home: Path, kubeconfig: Path | None = None) -> None:
        self._home = home
        self._kubeconfig = kubeconfig

    def render(
        self, values: Values | None = None, *arguments: str, name: str = RELEASE, namespace: str = "iotsec"
    ) -> Rendered:
        """What would be installed; the image has a name unless `values` say otherwise."""
        text = self.run(
            *("template", name, str(CHART), "--namespace", namespace, "--kube-version", "1.36.0"),
            *self._values(values),
            *arguments,
        )
        return Rendered(tuple(filter(None, yaml.safe_load_all(text))))

    def install(
        self, values: Values | None = None, *arguments: str, name: str = RELEASE, namespace: str = "iotsec"
    ) -> str:
        """Install a release; gives its notes."""
        place = ("--namespace", namespace, "--create-namespace")
        return self.run("install", name, str(CHART), *place, *self._values(values), *arguments)

    def upgrade(self, values: Values | None = None, *, namespace: str = "iotsec") -> str:
        """Upgrade the release to other values."""
        return self.run("upgrade", RELEASE, str(CHART), "--namespace", namespace, *self._values(values))

    def uninstall(self, name: str = RELEASE, namespace: str = "iotsec") -> str:
        """Uninstall a release."""
        return self.run("uninstall", name, "--namespace", namespace)

    def run(self, *arguments: str) -> str:
        """Run one command; gives what it printed. Raises `HelmRefusedError`."""
        kept = {f"HELM_{what}_HOME": str(self._home / what.lower()) for what in ("CACHE", "CONFIG", "DATA")}
        answer = subprocess.run(
            [find("helm"), *arguments],
            env=os.environ | kept | {"HOME": str(self._home), "KUBECONFIG": str(self._kubeconfig or os.devnull)},
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise HelmRefusedError(answer.stderr)
        return answer.stdout

    def _values(self, values: Values | None) -> tuple[str, ...]:
        self._home.mkdir(parents=True, exist_ok=True)
        file = self._home / "values.yaml"
        file.write_text(yaml.safe_dump({"image": _IMAGE, **(values or {})}))
        return ("--values", str(file))
