"""One cluster that runs pods, for all tests; a namespace for each that needs its own."""

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from e2e.installation import NAME, NAMESPACE, ROOT, install_nats, install_operator, write_nats_image

from testbed.apply import apply
from testbed.node.cluster import Cluster
from testbed.node.kind import KindCluster
from testbed.node.node import Node
from testbed.node.pods import memory_of, write_probe
from testbed.node.prepare import OPERATOR_IMAGE
from testbed.user import User
from testbed.waiting import wait_until

REPLICAS = 2
QUICKSTART = ROOT / "examples" / "quickstart"
MEASURED = pytest.StashKey[dict[str, str]]()


@dataclass(frozen=True)
class Site:
    """The quickstart on a cluster, its one Device Ready."""

    operator: User
    """In the operator's namespace."""
    user: User
    """In the fleet's."""
    seconds: float
    """From the installation of everything to the Device."""
    idle_bytes: int
    """What the operator's container took before there was a Device."""


@dataclass
class Watch:
    """Measures what is between its `with`s."""

    seconds: float = 0.0
    _since: list[float] = field(default_factory=list)

    def __enter__(self) -> None:
        self._since.append(time.monotonic())

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._since.pop()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, figure in config.stash[MEASURED].items():
        terminalreporter.write_line(f"{what}: {figure}")


def leader_of(operator: User) -> str:
    """The pod that works, by the Lease; empty while there is none."""
    lease = operator.get("Lease", NAME) or {}
    return str(lease.get("spec", {}).get("holderIdentity", ""))


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> dict[str, str]:
    """What is told at the end of the run."""
    return pytestconfig.stash[MEASURED]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    kind = os.environ.get("KIND")
    with KindCluster("iotsec" if kind == "1" else kind) if kind else Node(volumes=3) as cluster:
        cluster.load(write_probe(tmp_path_factory.mktemp("images") / "probe.tar"))
        yield cluster


@pytest.fixture
def user(cluster: Cluster) -> User:
    """A user in a namespace of the test's own; it stays, as the cluster does not."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return User(cluster.api, name)


@pytest.fixture(scope="session")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Installed in the order of `docs/quickstart.md`; what is measured waits for images, not for their transport."""
    cluster.load(OPERATOR_IMAGE)
    cluster.load(write_nats_image(tmp_path_factory.mktemp("images") / "nats.tar"))
    operator, user, watch = User(cluster.api, NAMESPACE), User(cluster.api, "iot"), Watch()
    with watch:
        install_operator(cluster, tmp_path_factory.mktemp("helm"))
        operator.wait_for("Deployment", NAME, lambda found: found["status"].get("readyReplicas") == REPLICAS, within=60)
    leader = wait_until(lambda: leader_of(operator), within=30, what="a replica leads")
    idle_bytes = wait_until(lambda: memory_of(operator, leader), within=60, what="the node has looked at the operator")
    with watch:
        apply(cluster.api, [QUICKSTART / "hub.yaml"])
        install_nats(cluster, user.namespace)
        apply(cluster.api, [QUICKSTART / "device.yaml"])
        user.wait_ready("Device", "weather-01", within=120)
    return Site(operator, user, watch.seconds, idle_bytes)
