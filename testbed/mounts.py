"""A Secret's data as files, put there and replaced the way kubelet does it."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

_CURRENT = "..data"


def mount(directory: Path, files: Mapping[str, bytes]) -> None:
    """Make `directory` hold exactly these files; a reader sees all the old ones or all the new ones.

    Kubelet's layout: each file is a link through `..data`, which is itself a link and is exchanged in one step.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    current = directory / _CURRENT
    before = current.resolve() if current.is_symlink() else None
    fresh = Path(tempfile.mkdtemp(dir=directory, prefix="..version-"))
    for name, content in files.items():
        (fresh / name).write_bytes(content)
    exchange = directory / "..data_tmp"
    exchange.symlink_to(fresh.name)
    exchange.replace(current)
    for name in files:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(Path(_CURRENT, name))
    for link in directory.iterdir():
        if not link.name.startswith("..") and link.name not in files:
            link.unlink()
    if before:
        shutil.rmtree(before)
