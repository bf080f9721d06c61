"""One cluster that runs pods, for all tests; a namespace for each that needs its own."""

import uuid
from collections.abc import Iterator

import pytest

from testbed.node.cluster import Cluster
from testbed.node.node import Node
from testbed.node.pods import write_probe
from testbed.user import User


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Node(volumes=3) as node:
        node.load(write_probe(tmp_path_factory.mktemp("images") / "probe.tar"))
        yield node


@pytest.fixture
def user(cluster: Cluster) -> User:
    """A user in a namespace of the test's own; it stays, as the cluster does not."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return User(cluster.api, name)
