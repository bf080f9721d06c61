"""What runs the pods of a node."""

from pathlib import Path

import yaml

from testbed.binaries import find
from testbed.node.containerd import SOCKET
from testbed.node.dns import ADDRESS as DNS
from testbed.processes import Process


def start_kubelet(directory: Path, kubeconfig: Path, *, ca: Path, name: str, address: str, cgroup: str) -> Process:
    """Start a kubelet that registers as the node `name`; its pods are below the cgroup `cgroup`."""
    config = directory / "kubelet.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": address,
                "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(ca)}},
                "containerRuntimeEndpoint": f"unix://{SOCKET}",
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": cgroup,
                "failCgroupV1": False,
                "failSwapOn": False,
                "clusterDomain": "cluster.local",
                "clusterDNS": [DNS],
                "resolvConf": "",  # there is nobody outside to ask
                "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
                "imageGCHighThresholdPercent": 100,  # nothing could be pulled again
                "syncFrequency": "5s",  # Secrets that change are in their pods within seconds, not a minute
                "configMapAndSecretChangeDetectionStrategy": "Watch",
                "nodeStatusUpdateFrequency": "5s",
                "registerNode": True,
            }
        )
    )
    return Process(
        [
            find("kubelet"),
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={name}",
            f"--node-ip={address}",
            f"--cert-dir={directory / 'kubelet-pki'}",
        ],
        directory / "kubelet.log",
    )
