"""What GitOps tools make of objects of ours, asked of their own code (`tests/go/gitops`)."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

import yaml

from testbed import binaries

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
ARGO_CD = ROOT / "gitops" / "argocd"
FLUX = ROOT / "gitops" / "flux"
HEALTH = ARGO_CD / "resource_customizations" / "iotsec.dev" / "_"
"""Health of all kinds, in the layout of Argo CD's repository."""

_GO_MODULE = Path(__file__).parents[1] / "go" / "gitops"


class RefusedError(RuntimeError):
    """A tool could not make anything of it."""


class Judge:
    """Argo CD's Lua, Flux's CEL and kstatus."""

    def __init__(self, program: Path) -> None:
        self._program = program

    @classmethod
    def built(cls, directory: Path) -> Self:
        """Compile the program; the first time on a machine that takes a minute or two."""
        program = directory / "gitops"
        _compile(program)
        return cls(program)

    @staticmethod
    def compile_ahead() -> None:
        """Do what takes long the first time, before the clock of any test runs."""
        _compile(Path(os.devnull))

    def lua(self, script: str, thing: Json) -> Any:
        """What a script returns for an object; raises `RefusedError` where it fails."""
        return self._ask(ask="lua", script=script, object=thing)

    def argo_cd(self, thing: Json) -> tuple[str, str]:
        """Its health in Argo CD, and what is said beside it."""
        found = self.lua((HEALTH / "health.lua").read_text(), thing)
        return found["status"], found["message"]

    def flux(self, thing: Json) -> str:
        """What Flux waits by, with the health checks of `gitops/flux`."""
        (checks,) = kustomization("fleet")["spec"]["healthCheckExprs"]
        return str(self._ask(ask="flux", checks=checks, object=thing))

    def kstatus(self, thing: Json) -> str:
        """What Helm, kpt, and Flux without health checks wait by."""
        return str(self._ask(ask="kstatus", object=thing))

    def _ask(self, **question: Any) -> Any:
        answer = subprocess.run(
            [self._program], input=json.dumps(question) + "\n", capture_output=True, text=True, check=True
        )
        found = json.loads(answer.stdout)
        if found["error"]:
            raise RefusedError(found["error"])
        return found["answer"]


def manifests(folder: Path) -> list[Json]:
    """Every object of a folder's files."""
    return [thing for file in sorted(folder.glob("*.yaml")) for thing in yaml.safe_load_all(file.read_text()) if thing]


def _compile(program: Path) -> None:
    subprocess.run([binaries.find("go"), "build", "-o", program, "."], cwd=_GO_MODULE, check=True)


def kustomization(name: str) -> Json:
    """The Flux Kustomization of this name."""
    (found,) = (t for t in manifests(FLUX) if (t["kind"], t["metadata"]["name"]) == ("Kustomization", name))
    return found
