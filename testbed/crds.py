"""CustomResourceDefinitions of other projects, from their own Go modules: downloaded once, by their checksum."""

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path

from testbed.binaries import find
from testbed.programs import GO_MODULE

_CERT_MANAGER = ("cert-manager.io_certificaterequests", "cert-manager.io_issuers", "cert-manager.io_clusterissuers")
_FLUX = {
    "kustomize-controller": ("kustomize.toolkit.fluxcd.io_kustomizations",),
    "helm-controller": ("helm.toolkit.fluxcd.io_helmreleases",),
    "source-controller": ("source.toolkit.fluxcd.io_gitrepositories",),
}


@functools.cache
def cert_manager_crds() -> tuple[Path, ...]:
    """The files with cert-manager's CertificateRequest, Issuer and ClusterIssuer; kept in Go's module cache.

    Raises `RuntimeError` where they cannot be had, or are not those of `testbed/go/crds.lock`. So do the others.
    """
    folder = _locked("github.com/cert-manager/cert-manager") / "deploy" / "crds"
    return tuple(folder / f"{name}.yaml" for name in _CERT_MANAGER)


@functools.cache
def prometheus_operator_crds() -> tuple[Path, ...]:
    """The files with the Prometheus Operator's ServiceMonitor and PodMonitor."""
    folder = _locked("github.com/prometheus-operator/prometheus-operator") / "example" / "prometheus-operator-crd"
    return tuple(folder / f"monitoring.coreos.com_{name}.yaml" for name in ("servicemonitors", "podmonitors"))


@functools.cache
def argo_cd_crds() -> tuple[Path, ...]:
    """The file with Argo CD's Application."""
    return (_locked("github.com/argoproj/argo-cd/v3") / "manifests" / "crds" / "application-crd.yaml",)


@functools.cache
def flux_crds() -> tuple[Path, ...]:
    """The files with Flux's Kustomization, HelmRelease and GitRepository."""
    return tuple(
        _locked(f"github.com/fluxcd/{controller}") / "config" / "crd" / "bases" / f"{name}.yaml"
        for controller, names in _FLUX.items()
        for name in names
    )


def _locked(module: str) -> Path:
    """Return the folder of a module of the version in the lock."""
    lines = (line.split() for line in (GO_MODULE / "crds.lock").read_text().splitlines())
    version, checksum = next((version, checksum) for name, version, checksum in lines if name == module)
    return _download(f"{module}@{version}", checksum)


def _download(module: str, checksum: str) -> Path:
    """Return the folder of a module: what it needs itself is not downloaded."""
    with tempfile.TemporaryDirectory() as nowhere:  # outside of any module, whose versions would count
        answer = subprocess.run(
            [find("go"), "mod", "download", "-json", module],
            cwd=nowhere,
            env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=mod"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if answer.returncode != 0:
        raise RuntimeError(f"{module} cannot be downloaded:\n{answer.stdout.decode()}")
    found = json.loads(answer.stdout)
    if found["Sum"] != checksum:
        raise RuntimeError(f"{module} has the checksum {found['Sum']}, not {checksum}")
    return Path(found["Dir"])
