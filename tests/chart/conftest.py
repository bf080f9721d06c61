"""Clusters on which the chart is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chart.cluster import Cluster
from chart.helm import Helm

from testbed.control_plane import ControlPlane


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A control plane of the test's own: what is installed is there once in a cluster."""
    with ControlPlane(tmp_path / "plane") as plane:
        yield Cluster(plane, Helm(tmp_path / "helm", plane.kubeconfig))
