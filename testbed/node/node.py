"""A Kubernetes cluster of one node that runs pods, on a machine of its own."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.api import Api, RequestRefusedError
from testbed.binaries import find
from testbed.control_plane import ControlPlane
from testbed.node import machine
from testbed.node.containerd import Containerd
from testbed.node.dns import write_dns
from testbed.node.kubelet import start_kubelet
from testbed.node.network import start_proxy, write_cni
from testbed.processes import Process
from testbed.waiting import wait_until

NAME = "node-0"
_CONTROLLERS = (
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "job-controller",
    "node-lifecycle-controller",
    "persistentvolume-binder-controller",
    "persistentvolumeclaim-protection-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "statefulset-controller",
)


class Node:
    """Control plane, scheduler, kubelet, kube-proxy, containerd and CoreDNS; serves while the `with` block runs.

    Works on a machine of its own alone (`testbed.node.machine`), with the machine's folder for its files. Images come
    from archives; none is ever pulled.
    """

    def __init__(self, *, volumes: int = 0, manifests: Sequence[Path] = ()) -> None:
        self.directory = machine.here() / "node"
        self._volumes = volumes
        self._plane = ControlPlane(
            self.directory / "control-plane",
            manifests=manifests,
            controllers=_CONTROLLERS,
            address=machine.ADDRESS,
        )
        self._running = contextlib.ExitStack()

    @property
    def api(self) -> Api:
        """A small client that may do everything."""
        return self._plane.api

    @property
    def kubeconfig(self) -> Path:
        """For an administrator who may do everything."""
        return self._plane.kubeconfig

    def load(self, archive: Path) -> None:
        """Have the images of an archive on the node."""
        self._containerd.load(archive)

    def __enter__(self) -> Self:
        self.directory.mkdir(mode=0o700)
        with contextlib.ExitStack() as starting:
            write_cni()
            self._containerd = Containerd(self.directory)
            starting.callback(self._containerd.stop)
            starting.enter_context(self._plane)
            starting.enter_context(self._start_scheduler())
            starting.enter_context(start_proxy(self.directory, self._user("system:kube-proxy"), NAME))
            kubelet = starting.enter_context(
                start_kubelet(
                    self.directory,
                    self._user(f"system:node:{NAME}", group="system:nodes"),
                    ca=self._plane.ca,
                    name=NAME,
                    address=machine.ADDRESS,
                    cgroup=f"/{machine.here().name}",
                )
            )
            image, manifests = write_dns(self.directory)
            self.load(image)
            self._plane.apply(manifests)
            self._provide_volumes()
            kubelet.wait_ready(lambda _: self._is_ready())
            wait_until(self._resolves, what="CoreDNS is ready")
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def _start_scheduler(self) -> Process:
        kubeconfig = self._user("system:kube-scheduler")
        return Process(
            [find("kube-scheduler"), f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0"],
            self.directory / "kube-scheduler.log",
        )

    def _user(self, name: str, *, group: str | None = None) -> Path:
        return self._plane.kubeconfig_of(name, group=group)

    def _provide_volumes(self) -> None:
        """Make some folders of the machine volumes for whoever claims one of no class."""
        for number in range(self._volumes):
            folder = self.directory / "volumes" / str(number)
            folder.mkdir(parents=True)
            self.api.request(
                "POST",
                "/api/v1/persistentvolumes",
                {
                    "metadata": {"name": f"volume-{number}"},
                    "spec": {
                        "capacity": {"storage": "10Gi"},
                        "accessModes": ["ReadWriteOnce"],
                        "persistentVolumeReclaimPolicy": "Retain",
                        "hostPath": {"path": str(folder)},
                    },
                },
            )

    def _is_ready(self) -> bool:
        try:
            node = self.api.request("GET", f"/api/v1/nodes/{NAME}")
        except RequestRefusedError:
            return False
        conditions = {found["type"]: found["status"] for found in node["status"].get("conditions", ())}
        return conditions.get("Ready") == "True" and not node["spec"].get("taints")

    def _resolves(self) -> bool:
        coredns = self.api.request("GET", "/apis/apps/v1/namespaces/kube-system/deployments/coredns")
        return bool(coredns["status"].get("readyReplicas"))
