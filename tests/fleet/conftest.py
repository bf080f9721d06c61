"""One control plane and one operator for all; a namespace, a Hub and servers for each test that needs its own."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.control_plane import ControlPlane
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """A Hub `plant` that is Ready, and its one server."""

    user: User
    server: NatsServer

    @property
    def url(self) -> str:
        return self.server.url

    def ready_device(self, name: str, **spec: Any) -> Object:
        """Apply a Device and wait until it is Ready."""
        self.user.apply_device(name, **spec)
        return self.user.wait_ready("Device", name)

    def ready_devices(self, names: Iterable[str]) -> dict[str, str]:
        """Apply Devices, all before the first is waited for, and return the creds of each."""
        names = tuple(names)
        for name in names:
            self.user.apply_device(name)
        for name in names:
            self.user.wait_ready("Device", name)
        return {name: self.user.creds(name) for name in names}


@dataclass(frozen=True)
class ClusterSite:
    """A Hub `plant` that is Ready, and its three servers."""

    user: User
    cluster: NatsCluster


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the project's manifests; named so that `control_plane` stays bare."""
    manifests = [ROOT / "crds", ROOT / "manifests"]
    with ControlPlane(tmp_path_factory.mktemp("plane"), manifests=manifests) as plane:
        yield plane


@pytest.fixture(scope="session")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with Operator(plane, tmp_path_factory.mktemp("operator")) as operator:
        yield operator


@contextmanager
def new_namespace(plane: ControlPlane) -> Iterator[User]:
    """A user in a namespace of their own; its deletion goes on in the background."""
    user = User(plane.api, f"test-{uuid.uuid4().hex[:8]}")
    plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": user.namespace}})
    try:
        yield user
    finally:
        user.abandon_namespace()


def bring_up(user: User, server: NatsServer, **spec: object) -> Site:
    """Apply a Hub, start its server with the Hub's Secret mounted, and wait until the Hub is Ready."""
    user.apply_hub("plant", [server.url], **spec)
    server.mount(user.wait_secret("plant-nats-config"))
    server.start()
    user.wait_ready("Hub", "plant")
    return Site(user, server)


@pytest.fixture
def user(plane: ControlPlane) -> Iterator[User]:
    """A user in a namespace of the test's own."""
    with new_namespace(plane) as user:
        yield user


@pytest.fixture
def site(operator: Operator, user: User, server: NatsServer) -> Site:  # noqa: ARG001 - it makes the Hub work
    return bring_up(user, server)


@pytest.fixture(scope="session")
def plant(operator: Operator, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: ARG001 - as above
    """A site that tests share which change nothing but Devices of their own names."""
    with new_namespace(plane) as user, NatsServer(tmp_path_factory.mktemp("plant"), interval="2s") as server:
        yield bring_up(user, server)


@pytest.fixture
def cluster_site(operator: Operator, user: User, tmp_path: Path) -> Iterator[ClusterSite]:  # noqa: ARG001 - as above
    with NatsCluster(tmp_path / "cluster", 3, interval="2s") as cluster:
        user.apply_hub("plant", cluster.urls)
        cluster.mount(user.wait_secret("plant-nats-config"))
        cluster.start()
        cluster.wait_ready()
        user.wait_for("Hub", "plant", lambda hub: len(hub["status"].get("servers", ())) == 3)
        user.wait_ready("Hub", "plant")
        yield ClusterSite(user, cluster)
