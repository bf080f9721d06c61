"""An operator for two namespaces: it works there with Roles alone, and in no other can it do or read anything."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet.conftest import ROOT, Site, bring_up

from iotsec.install.rules import LEADER_EVENTS
from iotsec.kube.access import find_access
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError
from iotsec.kube.resources import SECRETS
from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User, condition_of

OWN, IOT, LAB, OTHER = "operators", "iot", "lab", "elsewhere"
ACCOUNT = f"{OWN}/namespaced"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def rules(kind: str) -> list[Object]:
    """The rules of the project's own ClusterRole or Role."""
    documents = yaml.safe_load_all((ROOT / "manifests" / "rbac.yaml").read_text())
    return next(document["rules"] for document in documents if document["kind"] == kind)


def allow(plane: ControlPlane, namespace: str, granted: list[Object]) -> None:
    """Give the operator's ServiceAccount these rights in a namespace, by a Role."""
    path = f"{_RBAC}/namespaces/{namespace}"
    plane.api.request("POST", f"{path}/roles", {"metadata": {"name": "operator"}, "rules": granted})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    subject = {"kind": "ServiceAccount", "namespace": OWN, "name": ACCOUNT.partition("/")[2]}
    plane.api.request(
        "POST", f"{path}/rolebindings", {"metadata": {"name": "operator"}, "roleRef": role, "subjects": [subject]}
    )


@pytest.fixture(scope="module")
def roles_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane where the operator has Roles in its own and in two namespaces, and no ClusterRole."""
    with ControlPlane(tmp_path_factory.mktemp("plane-of-roles"), manifests=[ROOT / "crds"]) as plane:
        for namespace in (OWN, IOT, LAB, OTHER):
            plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        account = {"metadata": {"name": ACCOUNT.partition("/")[2]}}
        plane.api.request("POST", f"/api/v1/namespaces/{OWN}/serviceaccounts", account)
        of_objects = [rule for rule in rules("ClusterRole") if rule["resources"] != ["namespaces"]]
        for namespace in (IOT, LAB):
            allow(plane, namespace, of_objects)
        allow(plane, OWN, [*rules("Role"), LEADER_EVENTS.to_object()])
        yield plane


@pytest.fixture(scope="module")
def namespaced(roles_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    environment = {
        "IOTSEC_NAMESPACES": f"{IOT},{LAB}",
        "IOTSEC_LEASE": f"{OWN}/iot-security-operator",
        "POD_NAME": "iotsec-a",
    }
    directory = tmp_path_factory.mktemp("namespaced")
    with Operator(roles_plane, directory, service_account=ACCOUNT, environment=environment) as operator:
        yield operator


@dataclass(frozen=True)
class Places:
    """A Hub in `iot`, whose accounts are for all namespaces, and for some by their labels."""

    iot: Site
    lab: User
    other: User


@pytest.fixture(scope="module")
def places(
    namespaced: Operator,  # noqa: ARG001 - it makes the Hub work
    roles_plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Places]:
    iot, lab, other = (User(roles_plane.api, name) for name in (IOT, LAB, OTHER))
    selector = {"matchExpressions": [{"key": "stage", "operator": "DoesNotExist"}]}
    accounts = [
        {"name": "open", "namespaces": {"from": "All"}},
        {"name": "labelled", "namespaces": {"from": "Selector", "selector": selector}},
    ]
    lab.label_namespace({"iot": "yes"})
    with NatsServer(tmp_path_factory.mktemp("nats"), interval="2s") as server:
        yield Places(bring_up(iot, server, accounts=accounts), lab, other)


def audited(plane: ControlPlane) -> list[Any]:
    """The operator's requests, as the API server tells of them."""
    with plane.audit_log.open("rb") as log:
        events = [json.loads(line) for line in log if b'"userAgent":"iotsec/' in line and line.endswith(b"\n")]
    return [
        event for event in events if event["user"]["username"] == f"system:serviceaccount:{ACCOUNT.replace('/', ':')}"
    ]


def test_devices_of_both_namespaces_become_ready(places: Places) -> None:
    places.iot.ready_device("weather-01", account="open")
    places.lab.apply_device("weather-02", hubRef={"name": "plant", "namespace": IOT}, account="open")

    places.lab.wait_ready("Device", "weather-02")


def test_an_account_by_labels_is_told_as_unusable_and_lets_nobody_in(places: Places) -> None:
    hub = places.iot.user.get("Hub", "plant")
    places.lab.apply_device("by-label", hubRef={"name": "plant", "namespace": IOT}, account="labelled")

    found = places.lab.wait_reason("Device", "by-label", "NamespaceLabelsUnknown")

    assert hub is not None
    assert condition_of(hub, "SelectorMatchesNothing")["reason"] == "NamespaceLabelsUnknown"
    assert condition_of(found, "Stalled")["status"] == "True"
    assert places.lab.secret("by-label-device-creds") is None


def test_what_is_elsewhere_is_left_alone(places: Places) -> None:
    places.other.apply_device("weather-03", hubRef={"name": "plant", "namespace": IOT}, account="open")
    places.iot.ready_device("weather-04", account="open")  # which came later

    left = places.other.get("Device", "weather-03")

    assert left is not None
    assert left["status"] == {"observedGeneration": -1}
    assert places.other.secret("weather-03-device-creds") is None


async def test_a_secret_elsewhere_cannot_be_read_with_the_operators_rights(
    places: Places, roles_plane: ControlPlane
) -> None:
    places.other.create("Secret", "payroll", stringData={"password": "of somebody else"})
    kubeconfig: Path = roles_plane.kubeconfig_for(ACCOUNT)

    async with Client(find_access(str(kubeconfig), None, None), instance="attacker") as attacker:
        with pytest.raises(ApiError) as refused:
            await attacker.get(SECRETS, OTHER, "payroll")
        with pytest.raises(ApiError) as of_all:
            await attacker.get(SECRETS, "", "")

    assert (refused.value.code, of_all.value.code) == (403, 403)


def test_the_operator_asks_for_nothing_that_it_may_not_have(places: Places, roles_plane: ControlPlane) -> None:
    places.iot.ready_device("weather-05", account="open")

    requests = [event for event in audited(roles_plane) if "attacker" not in event["userAgent"]]

    assert {event["objectRef"]["resource"] for event in requests if "objectRef" in event} >= {"devices", "secrets"}
    assert [event["requestURI"] for event in requests if event.get("responseStatus", {}).get("code") == 403] == []
    assert {event["objectRef"].get("namespace") for event in requests if "objectRef" in event} == {OWN, IOT, LAB}
