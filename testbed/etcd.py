"""The control plane's database."""

from pathlib import Path

from testbed.binaries import find
from testbed.ports import Port
from testbed.processes import Process


class Etcd:
    """A running etcd of one member, its data and its log under `directory`."""

    def __init__(self, directory: Path) -> None:
        self._ports = (Port(), Port())
        self.url, peers = (f"http://127.0.0.1:{port}" for port in self._ports)
        self._process = Process.serving(
            [
                find("etcd"),
                f"--data-dir={directory / 'etcd'}",
                "--unsafe-no-fsync",  # a crash of this machine may lose the data: nobody wants it then
                f"--listen-client-urls={self.url}",
                f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=default={peers}",
            ],
            directory / "etcd.log",
            # Its own word, not an answer at the port: that could come from somebody else's etcd.
            ready=lambda process: "ready to serve client requests" in process.output(),
        )

    def stop(self) -> None:
        """End it; the data stays."""
        self._process.stop()
