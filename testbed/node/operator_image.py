"""The operator's image, from the project's Dockerfile: by buildah, without a daemon, from a base of Debian's own."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.binaries import cache_home

NAME = "testbed.local/iot-security-operator:1"
_BASE = "localhost/iotsec-base:1"
_EPOCH = "315532800"
_TRUST = (Path("/etc/ssl/certs"), Path("/etc/pip.conf"))
"""Whom this machine trusts, and where its pip looks: the build does, too."""
_LEFT_OUT = ("./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./usr/share/locale", "./usr/share/man")


def build_operator_image(project: Path, archive: Path) -> Path:
    """Build the image `NAME` from a checkout, and write what `docker save` would."""
    _have_base()
    mounts = [f"--volume={path}:{path}:ro" for path in _TRUST if path.exists()]
    _buildah(
        *("build", "--quiet", "--isolation=chroot", "--pull-never", f"--timestamp={_EPOCH}"),
        *(f"--build-arg=BASE={_BASE}", f"--tag={NAME}", *mounts, str(project)),
    )
    _buildah("rmi", "--prune")  # the one before
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.unlink(missing_ok=True)
    _buildah("push", "--quiet", NAME, f"docker-archive:{archive}:{NAME}")
    return archive


def build_by_docker(project: Path, archive: Path) -> Path:
    """Build the image `NAME` where there is Docker, from the base that the Dockerfile names."""
    _run("docker", "build", "--quiet", f"--tag={NAME}", str(project))
    archive.parent.mkdir(parents=True, exist_ok=True)
    _run("docker", "save", NAME, "--output", str(archive))
    return archive


def _have_base() -> None:
    """Make an image of the machine's own Debian release with Python, unless there is one."""
    if _buildah("images", "--quiet", "--filter", f"reference={_BASE}"):
        return
    mirror, release = _run(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"
    ).split()[:2]
    print(f"testbed: making a base image of {release}: takes a minute, but only once on this machine", flush=True)
    with tempfile.TemporaryDirectory(prefix="iotsec-base-") as directory:
        root, packed = Path(directory, "root"), Path(directory, "root.tar")
        packages = "python3,python3-venv,ca-certificates"
        _run("debootstrap", "--variant=minbase", f"--include={packages}", release, str(root), mirror)
        _run("tar", "-C", str(root), *(f"--exclude={path}" for path in _LEFT_OUT), "-cf", str(packed), ".")
        with _scratch_container() as container:
            _buildah("add", container, str(packed), "/")
            _buildah("commit", "--quiet", container, _BASE)


@contextmanager
def _scratch_container() -> Iterator[str]:
    container = _buildah("from", "scratch")
    try:
        yield container
    finally:
        _buildah("rm", container)


def _buildah(*command: str) -> str:
    """Run buildah, its images apart from those of the machine."""
    store = cache_home() / "buildah"
    return _run("buildah", "--storage-driver=overlay", f"--root={store}", f"--runroot={store}-run", *command)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()
