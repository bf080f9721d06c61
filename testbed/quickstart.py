"""The quickstart example, pointed at a nats-server of this machine, as a folder for `kubectl apply -k`."""

import json
import shutil
from pathlib import Path

import yaml


def write_quickstart(example: Path, target: Path, *, nats_url: str) -> None:
    """Copy the manifests of `example` and add a kustomization that gives its Hub the server `nats_url`."""
    target.mkdir(exist_ok=True)
    manifests = [file for file in sorted(example.glob("*.yaml")) if file.name != "kustomization.yaml"]
    for manifest in manifests:
        shutil.copy(manifest, target)
    servers = [{"op": "replace", "path": "/spec/nats/servers", "value": [nats_url]}]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [manifest.name for manifest in manifests],
        "patches": [{"target": {"kind": "Hub"}, "patch": json.dumps(servers)}],
    }
    (target / "kustomization.yaml").write_text(yaml.safe_dump(kustomization, sort_keys=False))
