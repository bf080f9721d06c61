"""Pods as a person with kubectl has them: run one, wait for it, read its log, see how much memory it takes."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from testbed.api import RequestRefusedError
from testbed.binaries import find
from testbed.node.archive import write_image
from testbed.user import Object, User
from testbed.waiting import wait_until

PROBE = "testbed.local/probe:1"
"""The image that tells from within what a pod reaches."""


def write_probe(archive: Path) -> Path:
    """Write the archive of the image `PROBE`."""
    return write_image(archive, PROBE, {"/probe": find("probe")}, ["/probe"])


def run_pod(user: User, name: str, arguments: Sequence[str], *, image: str = PROBE) -> None:
    """Start a pod that runs once."""
    container = {"name": name, "image": image, "imagePullPolicy": "Never", "args": list(arguments)}
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    wait_until(lambda: _has_account(user), what=f"{user.namespace} has its ServiceAccount")
    user.create("Pod", name, spec=spec)


def wait_phase(user: User, name: str, phase: str, *, within: float = 30) -> Object:
    """Wait until a pod is in a phase, Running for instance."""
    return user.wait_for("Pod", name, lambda pod: pod["status"].get("phase") == phase, within=within)


def log_of(user: User, pod: str, *, previous: bool = False) -> str:
    """What a pod of one container has printed, or what it had before it was restarted."""
    return user.api.text(f"/api/v1/namespaces/{user.namespace}/pods/{pod}/log?previous={str(previous).lower()}")


def pods_of(user: User, **labels: str) -> list[Object]:
    """The pods that have these labels, those that end left out."""
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = user.api.request("GET", f"/api/v1/namespaces/{user.namespace}/pods?labelSelector={selector}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def reached(user: User, name: str, *targets: str) -> dict[str, str]:
    """What a new pod `name` makes of some targets, host:port or URLs of the API server; "open" where it connects."""
    run_pod(user, name, ["reach", *targets])
    wait_phase(user, name, "Succeeded")
    lines = (line.partition(" ") for line in log_of(user, name).splitlines())
    return {target: answer for target, _, answer in lines}


def memory_of(user: User, pod: str, *, since: float = 0) -> int:
    """The bytes of memory that a pod's containers work with, as its node tells; 0 before it has looked.

    What it saw before `since`, in unix seconds, does not count.
    """
    node = (user.get("Pod", pod) or {})["spec"]["nodeName"]
    summary = user.api.request("GET", f"/api/v1/nodes/{node}/proxy/stats/summary")
    found = (told for told in summary["pods"] if told["podRef"]["name"] == pod)
    seen = [container["memory"] for told in found for container in told["containers"]]
    if any(datetime.fromisoformat(memory["time"]).timestamp() < since for memory in seen):
        return 0
    return sum(memory.get("workingSetBytes", 0) for memory in seen)


def _has_account(user: User) -> bool:
    try:
        user.api.request("GET", f"/api/v1/namespaces/{user.namespace}/serviceaccounts/default")
    except RequestRefusedError:
        return False
    return True
