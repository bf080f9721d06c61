"""Two replicas of the operator, and who of them wrote what, as the API server tells."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from testbed.control_plane import ControlPlane
from testbed.operator import LEASE, replica

LEASE_SECONDS = 10  # a machine at its limits stops for seconds now and then: nobody shall lose it by that


@dataclass(frozen=True)
class Write:
    """A request that may have changed something."""

    instance: str
    resource: str
    at: float


class Replicas:
    """The operators `a` and `b`, of which one works."""

    def __init__(self, plane: ControlPlane, directory: Path) -> None:
        self.plane = plane
        self._audit_start = plane.audit_log.stat().st_size
        self.a, self.b = (
            replica(plane, directory, name, IOTSEC_LEASE_SECONDS=str(LEASE_SECONDS))
            for name in ("iotsec-a", "iotsec-b")
        )

    def holder(self) -> str:
        """Who holds the lease."""
        namespace, name = LEASE.split("/")
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
        return str(self.plane.api.request("GET", path)["spec"]["holderIdentity"])

    def writes(self) -> list[Write]:
        """What the operators wrote beside the lease, refused or not, in the order in which it arrived."""
        with self.plane.audit_log.open("rb") as log:
            log.seek(self._audit_start)
            events = [json.loads(line) for line in log if b'"userAgent":"iotsec/' in line and line.endswith(b"\n")]
        found = [
            Write(
                instance=event["userAgent"].partition("(")[2].rstrip(")"),
                resource=event["objectRef"]["resource"],
                at=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
            )
            for event in events
            if event["stage"] == "ResponseComplete" and event["verb"] in ("create", "update", "patch", "delete")
        ]
        return sorted((write for write in found if write.resource != "leases"), key=lambda write: write.at)

    def turns(self) -> list[str]:
        """Who wrote, one after the other: who is in it twice wrote again after another one had."""
        return [instance for instance, _ in groupby(write.instance for write in self.writes())]


@contextmanager
def replicas(plane: ControlPlane, directory: Path) -> Iterator[Replicas]:
    """`a` works and `b` stands by."""
    both = Replicas(plane, directory)
    with ExitStack() as running:
        for one in (both.b, both.a):
            running.callback(one.stop)
        both.a.start()
        both.b.start(until="stands by")
        yield both
