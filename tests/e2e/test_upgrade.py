"""`helm upgrade` while a fleet is served: every replica is replaced, and somebody works all the time."""

import time
from pathlib import Path

from e2e.conftest import REPLICAS, Site, leader_of
from e2e.installation import NAME, upgrade_operator

from testbed.node.cluster import Cluster
from testbed.node.pods import log_of, pods_of
from testbed.user import Object
from testbed.waiting import wait_until


def replicas(site: Site) -> set[str]:
    """The names of the operator's pods."""
    return {pod["metadata"]["name"] for pod in pods_of(site.operator, **{"app.kubernetes.io/name": NAME})}


def is_rolled_out(deployment: Object) -> bool:
    """Whether its pods are those of its template, all of them, and no others."""
    status = deployment["status"]
    if status.get("observedGeneration") != deployment["metadata"]["generation"]:
        return False
    return bool(status["replicas"] == status.get("updatedReplicas") == status.get("availableReplicas") == REPLICAS)


def test_an_upgrade_replaces_all_pods_while_devices_become_ready(
    site: Site, cluster: Cluster, measured: dict[str, str], tmp_path: Path
) -> None:
    before = replicas(site)
    started = time.monotonic()

    upgrade_operator(cluster, tmp_path, podAnnotations={"example.com/upgraded": "once"})
    site.user.apply_device("weather-03")
    site.user.wait_ready("Device", "weather-03")
    site.operator.wait_for("Deployment", NAME, is_rolled_out, within=120)
    measured["upgrade of both replicas"] = f"{time.monotonic() - started:.1f} s"
    site.user.apply_device("weather-04")
    site.user.wait_ready("Device", "weather-04")

    after = wait_until(lambda: found if not (found := replicas(site)) & before else None)
    assert leader_of(site.operator) in after
    assert not any("forbidden" in log_of(site.operator, pod).lower() for pod in after)
