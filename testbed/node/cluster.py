"""What the end-to-end tests need of a cluster, be it our node or somebody's."""

from pathlib import Path
from typing import Protocol

from testbed.api import Api


class Cluster(Protocol):
    """A cluster that runs pods from images of ours."""

    @property
    def api(self) -> Api:
        """A small client that may do everything."""

    @property
    def kubeconfig(self) -> Path:
        """For an administrator who may do everything."""

    def load(self, archive: Path) -> None:
        """Have the images of an archive where pods run."""
