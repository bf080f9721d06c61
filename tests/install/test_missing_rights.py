"""An operator that lacks a right says which one it is, goes on with all else, and makes up for it once it has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet.conftest import ROOT, bring_up, new_namespace
from fleet.fences import wait_written
from install.errands import BILLING, NETWORK
from install.rights import Request, may

from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import SERVICE_ACCOUNT, Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/iot-security-operator"
ACCOUNT = f"system:serviceaccount:{SERVICE_ACCOUNT.replace('/', ':')}"


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane whose operator may be given less."""
    manifests = [ROOT / "crds", ROOT / "manifests"]
    with ControlPlane(tmp_path_factory.mktemp("plane"), controller_manager=False, manifests=manifests) as plane:
        yield plane


class Rights:
    """The rights of the operator's ClusterRole."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._all = plane.api.request("GET", ROLE)["rules"]

    def take(self, verb: str, resource: str) -> None:
        """Take one right away; returns when it is gone."""
        fewer = [{**rule, "verbs": [one for one in rule["verbs"] if one != verb]} for rule in self._all]
        rules = [less if resource in rule["resources"] else rule for rule, less in zip(self._all, fewer, strict=True)]
        self._write([rule for rule in rules if rule["verbs"]])
        wait_until(lambda: not self._may(verb, resource))

    def give(self, verb: str, resource: str) -> None:
        """Give it back."""
        self._write(self._all)
        wait_until(lambda: self._may(verb, resource))

    def _write(self, rules: list[Object]) -> None:
        self._plane.api.request("PATCH", ROLE, {"rules": rules}, content_type="application/merge-patch+json")

    def _may(self, verb: str, resource: str) -> bool:
        group = next(rule["apiGroups"][0] for rule in self._all if resource in rule["resources"])
        return may(self._plane.api, ACCOUNT, (), Request(verb, group, resource, "default", ""))


@pytest.fixture
def rights(own_plane: ControlPlane) -> Iterator[Rights]:
    rights = Rights(own_plane)
    yield rights
    rights.give("list", "pods")


@pytest.fixture
def user(own_plane: ControlPlane) -> Iterator[User]:
    with new_namespace(own_plane) as user:
        yield user


@pytest.fixture
def operator(own_plane: ControlPlane, tmp_path: Path) -> Iterator[Operator]:
    """One that does not run yet."""
    operator = Operator(own_plane, tmp_path / "operator")
    yield operator
    operator.stop()


def test_a_hub_whose_secrets_may_not_be_created_says_so(
    rights: Rights, operator: Operator, user: User, server: NatsServer
) -> None:
    rights.take("create", "secrets")
    operator.start()

    user.apply_hub("plant", [server.url])
    told = condition_of(user.wait_reason("Hub", "plant", "SecretRefused"), "Ready")

    assert 'cannot create resource "secrets"' in told["message"]
    rights.give("create", "secrets")
    bring_up(user, server)


def test_a_module_whose_pods_may_not_be_looked_for_works(
    rights: Rights, operator: Operator, user: User, server: NatsServer
) -> None:
    rights.take("list", "pods")
    operator.start()
    bring_up(user, server, network=NETWORK)

    user.apply_module("billing", network=BILLING)

    module = user.wait_ready("Module", "billing")
    assert condition_of(module, "SelectsNoPods") == {}, "nobody knows"
    assert operator.tells("pods cannot be looked for")


def test_a_hub_whose_policies_may_not_be_created_says_so_and_lets_devices_in(
    rights: Rights, operator: Operator, user: User, server: NatsServer
) -> None:
    rights.take("create", "networkpolicies")
    operator.start()
    bring_up(user, server, network=NETWORK)

    told = user.wait_for(
        "Hub", "plant", lambda hub: condition_of(hub, "NetworkPoliciesWritten").get("status") == "False"
    )

    assert 'cannot create resource "networkpolicies"' in condition_of(told, "NetworkPoliciesWritten")["message"]
    assert user.issue_device("weather-01")


def test_an_operator_that_may_not_list_a_kind_waits_and_says_for_which(
    rights: Rights, operator: Operator, user: User, server: NatsServer
) -> None:
    rights.take("list", "networkpolicies")

    operator.start(until="watch interrupted")
    wait_until(lambda: "networkpolicies" in operator.probe("/readyz")[1], what="the probe names it")

    status, why = operator.probe("/readyz")
    assert status == 503
    assert 'cannot list resource "networkpolicies"' in why
    assert operator.probe("/healthz")[0] == 200, "no restart would help"
    rights.give("list", "networkpolicies")
    operator.wait_told("started")
    bring_up(user, server, network=NETWORK)
    wait_written(user)
