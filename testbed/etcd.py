"""The control plane's database."""

import shutil
from pathlib import Path

from testbed.binaries import find
from testbed.ports import Port
from testbed.processes import Process


class Etcd:
    """A running etcd of one member, its data and its log under `directory`."""

    def __init__(self, directory: Path) -> None:
        self._ports = (Port(), Port())
        self.url, peers = (f"http://127.0.0.1:{port}" for port in self._ports)
        self._data, self._log = directory / "etcd", directory / "etcd.log"
        self._command: list[str | Path] = [
            find("etcd"),
            f"--data-dir={self._data}",
            "--unsafe-no-fsync",  # a crash of this machine may lose the data: nobody wants it then
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        ]
        self.start()

    def start(self) -> None:
        """Start it again with the data that is there, at the address that it had."""
        # Its own word, not an answer at the port: that could come from somebody else's etcd.
        self._process = Process.serving(
            self._command, self._log, ready=lambda process: "ready to serve client requests" in process.output()
        )

    def back_up(self, target: Path) -> None:
        """Copy all it holds into a folder that is not there yet; only while it does not run."""
        shutil.copytree(self._data, target)

    def restore(self, backup: Path) -> None:
        """Lose all it holds, and have what it held at a backup; only while it does not run."""
        shutil.rmtree(self._data)
        shutil.copytree(backup, self._data)

    def stop(self) -> None:
        """End it; the data stays."""
        self._process.stop()
