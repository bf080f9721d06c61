"""A cluster of kind that is there already, for machines with Docker: `KIND=1 make e2e`."""

import base64
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from testbed.api import Api
from testbed.certificates import KeyPairFiles


class KindCluster:
    """The cluster `name` of kind; nothing of it is taken down again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._directory = tempfile.TemporaryDirectory(prefix="iotsec-kind-")

    @property
    def api(self) -> Api:
        """A small client that may do everything."""
        return self._api

    @property
    def kubeconfig(self) -> Path:
        """For an administrator who may do everything."""
        return Path(self._directory.name, "kubeconfig")

    def load(self, archive: Path) -> None:
        """Have the images of an archive on the cluster's nodes."""
        self._kind("load", "image-archive", str(archive))

    def __enter__(self) -> Self:
        text = self._kind("get", "kubeconfig")
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(text)
        config = yaml.safe_load(text)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._api = Api(
            urlsplit(cluster["server"]).port or 443,
            ca=self._write(cluster, "certificate-authority-data"),
            client=KeyPairFiles(self._write(user, "client-certificate-data"), self._write(user, "client-key-data")),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.cleanup()

    def _write(self, where: dict[str, Any], key: str) -> Path:
        path = Path(self._directory.name, key)
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(where[key]))
        return path

    def _kind(self, *command: str) -> str:
        done = subprocess.run(["kind", *command, "--name", self._name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kind {' '.join(command)} failed: {done.stderr}")
        return done.stdout
