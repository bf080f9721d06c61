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


@functools.cache
def cert_manager_crds() -> tuple[Path, ...]:
    """The files with cert-manager's CertificateRequest, Issuer and ClusterIssuer; kept in Go's module cache.

    Raises `RuntimeError` where they cannot be had, or are not those of `testbed/go/cert-manager.lock`.
    """
    module, version, checksum = (GO_MODULE / "cert-manager.lock").read_text().split()
    folder = _download(f"{module}@{version}", checksum) / "deploy" / "crds"
    return tuple(folder / f"{name}.yaml" for name in _CERT_MANAGER)


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
