"""What the real kustomize makes of a folder."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import yaml

from testbed.binaries import find


@functools.cache
def _text(folder: Path) -> str:
    answer = subprocess.run([find("kubectl"), "kustomize", folder], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise AssertionError(answer.stderr)
    return answer.stdout


def built(folder: Path) -> list[dict[str, Any]]:
    """Every object of `kubectl kustomize <folder>`."""
    return list(yaml.safe_load_all(_text(folder)))
