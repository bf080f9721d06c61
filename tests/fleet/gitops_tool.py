"""What Argo CD and Flux do to objects: put their marks on them, and apply them again and again."""

import os
import subprocess
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testbed.apply import apply_one, path_of
from testbed.binaries import find
from testbed.user import Object, User

MARKS = (
    "argocd.argoproj.io/",
    "app.kubernetes.io/instance",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "kubectl.kubernetes.io/",
)
"""What says to a tool that an object is its own, and is to go when it is not in Git."""


@dataclass(frozen=True)
class GitOpsTool:
    """One that applies by the name of a field manager, with its marks."""

    manager: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    def apply(self, user: User, things: Iterable[Object]) -> list[Object]:
        """Server-side apply, conflicts forced, as both do it; gives the objects as they are then."""
        return [self._apply(user, deepcopy(thing)) for thing in things]

    def _apply(self, user: User, thing: Object) -> Object:
        metadata = thing["metadata"]
        metadata["labels"] = metadata.get("labels", {}) | self.labels
        metadata["annotations"] = metadata.get("annotations", {}) | self.annotations
        return apply_one(user.api, thing, manager=self.manager)


ARGO_CD = GitOpsTool(
    "argocd-controller",
    {"app.kubernetes.io/instance": "fleet"},
    {"argocd.argoproj.io/tracking-id": "fleet:x", "argocd.argoproj.io/sync-wave": "1"},
)
FLUX = GitOpsTool(
    "kustomize-controller",
    {
        "kustomize.toolkit.fluxcd.io/name": "fleet",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        "helm.toolkit.fluxcd.io/name": "fleet",
    },
    {
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
        "meta.helm.sh/release-name": "fleet",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    },
)


def overlay(folder: Path, directory: Path, *, namespace: str, servers: list[str]) -> list[Object]:
    """A folder built by the real kustomize, as whoever takes it for a base builds it: with a namespace and servers."""
    directory.mkdir(parents=True, exist_ok=True)
    replaced = [{"op": "replace", "path": "/spec/nats/servers", "value": servers}]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [os.path.relpath(folder, directory.resolve())],
        "patches": [{"target": {"kind": "Hub"}, "patch": yaml.safe_dump(replaced)}],
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    answer = subprocess.run([find("kubectl"), "kustomize", directory], capture_output=True, text=True, check=True)
    return [thing for thing in yaml.safe_load_all(answer.stdout) if thing["kind"] != "Namespace"]


def children(user: User) -> list[Object]:
    """Everything the operator made in a namespace."""
    found: list[Object] = []
    for plural in ("secrets", "configmaps"):
        path = f"/api/v1/namespaces/{user.namespace}/{plural}?labelSelector=app.kubernetes.io/managed-by"
        found += [{"kind": plural, **item} for item in user.api.request("GET", path)["items"]]
    return found


def everything(user: User, things: Iterable[Object]) -> list[Object]:
    """The objects as they are in the cluster."""
    return [user.api.request("GET", path_of(user.api, thing)) for thing in things]


def by_name(things: Iterable[Object], told: Callable[[Object], Any]) -> dict[tuple[str, str], Any]:
    """Something of each object."""
    return {(thing["kind"], thing["metadata"]["name"]): told(thing) for thing in things}
