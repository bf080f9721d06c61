"""A control plane that goes by our admission policies, and a namespace of it for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from install.admission import Place, wait_in_force

from testbed.binaries import find
from testbed.control_plane import ControlPlane
from testbed.user import User

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the project's manifests, whose controllers check the types of policies."""
    checks = ("validatingadmissionpolicy-status-controller",)
    manifests = [ROOT / "crds", ROOT / "manifests"]
    with ControlPlane(tmp_path_factory.mktemp("policed"), manifests=manifests, controllers=checks) as plane:
        wait_in_force(plane)
        yield plane


@pytest.fixture
def place(policed: ControlPlane) -> Place:
    name = f"test-{uuid.uuid4().hex[:8]}"
    policed.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return Place(policed, name)


@pytest.fixture
def dora(place: Place) -> User:
    """An administrator."""
    return place.administrator()


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return find("kubectl")
