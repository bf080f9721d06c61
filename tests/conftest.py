"""What tests share: one control plane for all, a namespace for each."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from chart.helm import Helm
from gitops.judge import Judge
from hypothesis import HealthCheck, settings
from kubernetes import client, config

from testbed.binaries import CONTROL_PLANE, find
from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer

# How long an example takes says something of the machine's other work, nothing of the code.
settings.register_profile("iotsec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("iotsec")

PROGRAMS_OF = {
    "control_plane": CONTROL_PLANE,
    "helm": ("helm",),
    "kube_score": ("kube-score",),
    "kubectl": ("kubectl",),
}
"""What the testbed installs for tests that use these fixtures."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what is missing before any test's clock runs: the first time on a machine that takes minutes."""
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    wanted = [name for fixture in fixtures & PROGRAMS_OF.keys() for name in PROGRAMS_OF[fixture]]
    if session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for name in wanted:
            find(name)
        if "judge" in fixtures:
            Judge.compile_ahead()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def admin(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(control_plane.kubeconfig)) as api:
        yield api


@pytest.fixture
def namespace(admin: client.ApiClient) -> Iterator[str]:
    """A namespace of the test's own; its deletion goes on in the background."""
    core = client.CoreV1Api(admin)
    name = f"test-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Those whose verdict on an object GitOps tools go by."""
    return Judge.built(tmp_path_factory.mktemp("judge"))


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    """Helm without a cluster."""
    return Helm(tmp_path / "helm")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A nats-server that does not run yet: it needs a Hub's configuration first."""
    with NatsServer(tmp_path / "nats", interval="2s") as server:
        yield server
