"""What runs the containers of a node."""

import subprocess
from pathlib import Path

from testbed.binaries import find
from testbed.node.archive import write_image
from testbed.node.network import PLUGINS
from testbed.processes import Process

SOCKET = Path("/run/containerd/containerd.sock")
_PAUSE = "testbed.local/pause:1"
_CONFIG = """\
version = 2
root = "{root}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Where CAP_SYS_RESOURCE is missing nobody's score may be lowered; runc would die of it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "/etc/cni/net.d"
"""


class Containerd:
    """A running containerd, its data under `directory`; images come by `load` alone."""

    def __init__(self, directory: Path) -> None:
        root = directory / "containerd"
        root.mkdir()
        config = directory / "containerd.toml"
        config.write_text(_CONFIG.format(root=root, pause=_PAUSE, plugins=PLUGINS))
        self._process = Process.serving(
            ["/usr/bin/containerd", "--config", config], directory / "containerd.log", ready=lambda _: self._answers()
        )
        self.load(write_image(directory / "pause.tar", _PAUSE, {"/pause": find("pause")}, ["/pause"]))

    def load(self, archive: Path) -> None:
        """Take in the images of an archive, as `docker save` or `buildah push docker-archive:` writes them."""
        done = subprocess.run(
            ["ctr", "--namespace", "k8s.io", "images", "import", archive], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{archive} cannot be imported: {done.stderr}")

    def stop(self) -> None:
        """End it; containers go on until their machine ends."""
        self._process.stop()

    def _answers(self) -> bool:
        return SOCKET.exists() and subprocess.run(["ctr", "version"], capture_output=True, check=False).returncode == 0
