"""An operator that meets CRDs older than itself says so, touches nothing, and goes on once they are updated."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet.conftest import ROOT

from testbed.control_plane import ControlPlane
from testbed.operator import Operator, replica
from testbed.user import User
from testbed.waiting import wait_until

Crd = dict[str, Any]


def without_presence(crd: Crd) -> None:
    """As before Hubs could tell who is connected."""
    if crd["spec"]["names"]["kind"] == "Hub":
        del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["presence"]


def without_rules(node: Any) -> None:
    """As before anything but types was asked for."""
    if isinstance(node, dict):
        for rule in ("x-kubernetes-validations", "pattern"):
            node.pop(rule, None)
        for child in node.values():
            without_rules(child)
    elif isinstance(node, list):
        for child in node:
            without_rules(child)


def older(directory: Path, change: Callable[[Crd], None]) -> Path:
    """The project's CRDs, changed."""
    directory.mkdir()
    for path in (ROOT / "crds").iterdir():
        crd = yaml.safe_load(path.read_text())
        change(crd)
        (directory / path.name).write_text(yaml.safe_dump(crd))
    return directory


@pytest.fixture
def old_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    manifests = [older(tmp_path / "crds", without_presence), ROOT / "manifests"]
    with ControlPlane(tmp_path / "plane", manifests=manifests) as plane:
        yield plane


@pytest.fixture
def lax_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """One whose CRDs let in what the operator refuses."""
    with ControlPlane(
        tmp_path / "plane", manifests=[older(tmp_path / "crds", without_rules), ROOT / "manifests"]
    ) as plane:
        yield plane


@pytest.fixture
def bare_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """One that has no CRDs of ours."""
    with ControlPlane(tmp_path / "bare-plane", manifests=[ROOT / "manifests"]) as plane:
        yield plane


@pytest.fixture
def operator_of_today(old_plane: ControlPlane, tmp_path: Path) -> Iterator[Operator]:
    """One that does not run yet."""
    operator = replica(old_plane, tmp_path, "iotsec-a")
    yield operator
    operator.stop()


def objects_touched(plane: ControlPlane) -> set[str]:
    """The resources that the operator asked for."""
    with plane.audit_log.open("rb") as log:
        events = [json.loads(line) for line in log if b'"userAgent":"iotsec/' in line and line.endswith(b"\n")]
    return {event["objectRef"]["resource"] for event in events if "objectRef" in event}


def test_older_crds_are_told_and_waited_for(operator_of_today: Operator, old_plane: ControlPlane) -> None:
    waiting = operator_of_today
    user = User(old_plane.api, "default")
    user.apply_hub("plant", ["nats://127.0.0.1:1"])

    waiting.start(until="kinds do not fit")
    status, why = waiting.probe("/readyz")

    assert status == 503
    assert "CustomResourceDefinitions are older than this operator: they lack Hub.spec.presence. Apply" in why
    assert waiting.probe("/healthz")[0] == 200
    assert objects_touched(old_plane) == set()

    old_plane.apply(ROOT / "crds")

    waiting.wait_told("started")
    user.wait_secret("plant-nats-config")
    wait_until(lambda: waiting.probe("/readyz")[0] == 200, what="the operator is ready")


def test_an_api_server_that_hides_its_documents_is_worked_with(
    operator_of_today: Operator, old_plane: ControlPlane
) -> None:
    discovery = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:discovery"
    old_plane.api.request("DELETE", discovery)

    operator_of_today.start()

    assert operator_of_today.tells("kinds cannot be looked at")


def test_crds_that_come_after_the_operator_are_waited_for(bare_plane: ControlPlane, tmp_path: Path) -> None:
    with ExitStack() as running:
        operator = replica(bare_plane, tmp_path, "iotsec-a")
        running.callback(operator.stop)
        operator.start(until="kinds do not fit")

        bare_plane.apply(ROOT / "crds")

        operator.wait_told("started")


def test_a_module_that_older_crds_let_in_keeps_the_policies_that_its_pods_are_closed_by(
    lax_plane: ControlPlane, tmp_path: Path
) -> None:
    user = User(lax_plane.api, "default")
    nats = {"podSelector": {"matchLabels": {"app": "nats"}}}
    pods = {"podSelector": {"matchLabels": {"app": "billing"}}}
    with Operator(lax_plane, tmp_path / "operator"):
        user.apply_hub("plant", ["nats://127.0.0.1:1"], network={"nats": nats})
        user.apply_module("billing", network=pods)
        written = user.wait_for("NetworkPolicy", "billing-module", bool)

        user.apply_module("billing", network={**pods, "dns": False}, publicKey="nonsense")
        user.wait_reason("Module", "billing", "InvalidSpec")
        user.wait_for("NetworkPolicy", "billing-module", lambda it: len(it["spec"]["egress"]) == 1)

        user.apply_module("billing", network={"podSelector": {}})
        user.wait_for("Hub", "plant", lambda it: "Module default/billing" in str(it["status"]))
        found = user.wait_for("NetworkPolicy", "billing-module", bool)

    assert found["spec"]["podSelector"] == written["spec"]["podSelector"]
