"""How the pods of a node are connected: one bridge, addresses from one range, Services by kube-proxy."""

import json
from pathlib import Path

import yaml

from testbed.binaries import find
from testbed.processes import Process

PLUGINS = Path("/usr/lib/cni")
POD_RANGE = "10.244.0.0/24"

_PLUGINS_OF_A_POD = {
    "cniVersion": "0.4.0",
    "name": "testbed",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,  # a pod may reach itself through its Service
            "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_RANGE}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def write_cni(folder: Path = Path("/etc/cni/net.d")) -> None:
    """Tell containerd how a pod is connected. Packets between pods pass the machine's packet filters."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "10-testbed.conflist").write_text(json.dumps(_PLUGINS_OF_A_POD, indent=2))


def start_proxy(directory: Path, kubeconfig: Path, node: str) -> Process:
    """Start kube-proxy: what is sent to a Service goes to its pods."""
    config = directory / "kube-proxy.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "mode": "iptables",
                "hostnameOverride": node,
                "clusterCIDR": POD_RANGE,
                "clientConnection": {"kubeconfig": str(kubeconfig)},
                "conntrack": {"maxPerCore": 0, "min": 0},  # settings of the machine around
                "iptables": {"minSyncPeriod": "100ms"},
                "healthzBindAddress": "127.0.0.1:10256",
                "metricsBindAddress": "127.0.0.1:10249",
            }
        )
    )
    return Process([find("kube-proxy"), f"--config={config}"], directory / "kube-proxy.log")
