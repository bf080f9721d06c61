"""Helm, with which readers of the pages install."""

from pathlib import Path

import pytest
from chart.helm import Helm


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    """Helm without a cluster."""
    return Helm(tmp_path / "helm")
