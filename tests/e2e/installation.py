"""What a platform engineer installs: the operator, NATS as the official chart renders our documented values."""

from pathlib import Path
from typing import Any

import yaml
from chart.helm import Helm
from chart.objects import objects_of

from testbed.apply import apply_objects
from testbed.binaries import find
from testbed.node.archive import write_image
from testbed.node.cluster import Cluster
from testbed.node.operator_image import NAME as OPERATOR_IMAGE
from testbed.user import Object

ROOT = Path(__file__).parents[2]
NAMESPACE = NAME = "iot-security-operator"
NATS_IMAGE = "testbed.local/nats:2"


def write_nats_image(archive: Path) -> Path:
    """Write the archive of the image `NATS_IMAGE`."""
    program = "/usr/local/bin/nats-server"
    return write_image(archive, NATS_IMAGE, {program: find("nats-server")}, [program])


def install_operator(cluster: Cluster, home: Path) -> None:
    """Install the operator with Helm, from its image, into a namespace that takes restricted pods alone."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    cluster.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": levels}})
    Helm(home, cluster.kubeconfig).install(_values(), namespace=NAMESPACE)


def upgrade_operator(cluster: Cluster, home: Path, **values: Any) -> None:
    """Upgrade the release to other values."""
    Helm(home, cluster.kubeconfig).upgrade(_values(**values), namespace=NAMESPACE)


def _values(**more: Any) -> dict[str, Any]:
    repository, tag = OPERATOR_IMAGE.split(":")
    return {"image": {"repository": repository, "tag": tag, "pullPolicy": "Never"}, **more}


def install_nats(cluster: Cluster, namespace: str) -> None:
    """Install three NATS servers that include what the operator writes."""
    values = yaml.safe_load((ROOT / "examples" / "nats-values.yaml").read_text())
    values["container"]["image"] = {"fullImageName": NATS_IMAGE}
    apply_objects(cluster.api, objects_of(values, namespace))


def hardened(name: str, image: str, **more: Any) -> Object:
    """A container as Pod Security's level "restricted" wants it."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "Never",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **more,
    }
