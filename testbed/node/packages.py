"""What a node takes from Debian: installed where it is missing."""

import os
import shutil
import subprocess
from collections.abc import Iterable

_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/cni"

RUNNING = {
    "containerd": "containerd",
    "runc": "runc",
    "bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "unshare": "util-linux",
}
"""What a node runs: a program, and the package that brings it."""

BUILDING = {"buildah": "buildah", "debootstrap": "debootstrap"}
"""What builds the operator's image where there is no Docker."""


def install(wanted: Iterable[dict[str, str]]) -> None:
    """Install what is missing, as root with apt-get; raises `RuntimeError` where it cannot."""
    programs = {program: package for group in wanted for program, package in group.items()}
    missing = sorted({package for program, package in programs.items() if not shutil.which(program, path=_SYSTEM_PATH)})
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError(f"install these first: {' '.join(missing)} (root on Debian would be enough)")
    print(f"testbed: installing {' '.join(missing)}", flush=True)
    for command in ("update", "-q"), ("install", "-q", "-y", "--no-install-recommends", *missing):
        subprocess.run(
            ["apt-get", *command],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
