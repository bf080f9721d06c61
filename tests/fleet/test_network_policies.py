"""NetworkPolicies as an API server keeps them: what they allow is worked out from what is really there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from decide.network_evaluator import Outsider, Pod
from fleet.conftest import Site, bring_up, new_namespace
from fleet.fences import cluster, wait_written

from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

CLIENT, MQTT, MONITOR = 4222, 1883, 8222
NATS = {"podSelector": {"matchLabels": {"app": "nats"}}}
NETWORK: dict[str, Any] = {
    "nats": NATS,
    "outside": [{"listener": "mqtt", "cidrs": ["10.20.0.0/17", "10.20.128.0/17"]}],
    "monitoring": {"namespace": "monitoring"},
    "defaultDeny": {},
}
LABELLED = {"name": "billing-0", "labels": {"app": "billing"}}
BILLING = {"podSelector": {"matchLabels": {"app": "billing"}}}
OURS = ("plant-nats", "iotsec-default-deny")


@pytest.fixture
def site(operator: Operator, user: User, server: NatsServer) -> Site:  # noqa: ARG001 - it makes the Hub work
    site = bring_up(user, server, network=NETWORK)
    wait_written(user)
    return site


@pytest.fixture
def stranger(plane: ControlPlane) -> Iterator[User]:
    """Somebody with a namespace of their own."""
    with new_namespace(plane) as stranger:
        yield stranger


def nats(user: User) -> Pod:
    return Pod(user.namespace, "nats")


def billing(user: User) -> Pod:
    return Pod(user.namespace, "billing")


def wait_allowed(users: tuple[User, ...], source: Pod, target: Pod, port: int, *, allowed: bool = True) -> None:
    wait_until(lambda: cluster(*users).allows(source, target, port) == allowed, what=f"{source} to {target}:{port}")


def test_nats_is_open_to_whom_the_hub_names(site: Site) -> None:
    found, target = cluster(site.user), nats(site.user)

    assert found.allows(Outsider("10.20.200.1"), target, MQTT)
    assert not found.allows(Outsider("10.21.0.1"), target, MQTT)
    assert not found.allows(Outsider("10.20.200.1"), target, CLIENT)
    assert found.allows(Pod("monitoring", "prometheus"), target, MONITOR)
    assert not found.allows(Pod(site.user.namespace, "shell"), target, MONITOR)
    assert not found.allows(Pod(site.user.namespace, "shell"), Pod(site.user.namespace, "shop"), 80)


def test_a_module_comes_in_with_its_policy_and_is_shut_out_when_it_is_suspended_or_deleted(site: Site) -> None:
    user, pod = site.user, billing(site.user)
    assert not cluster(user).allows(pod, nats(user), CLIENT)

    user.apply_module("billing", network=BILLING)
    wait_allowed((user,), pod, nats(user), CLIENT)
    assert not cluster(user).allows(pod, nats(user), MQTT)
    assert cluster(user).allows(pod, Pod("kube-system", "coredns", {"k8s-app": "kube-dns"}), 53, "UDP")

    user.apply_module("billing", network=BILLING, suspended=True)
    wait_allowed((user,), pod, nats(user), CLIENT, allowed=False)
    user.apply_module("billing", network=BILLING)
    wait_allowed((user,), pod, nats(user), CLIENT)

    user.delete("Module", "billing")
    user.wait_gone("Module", "billing")
    user.wait_gone("NetworkPolicy", "billing-module")
    wait_allowed((user,), pod, nats(user), CLIENT, allowed=False)


def test_a_module_whose_namespace_the_hub_does_not_admit_opens_nothing(site: Site, stranger: User) -> None:
    stranger.apply(
        "Module", "thief", {"hubRef": {"name": "plant", "namespace": site.user.namespace}, "network": BILLING}
    )

    stranger.wait_reason("Module", "thief", "NamespaceNotAdmitted")

    site.user.apply_module("billing", network=BILLING)  # worked on after it
    wait_allowed((site.user, stranger), billing(site.user), nats(site.user), CLIENT)
    assert not cluster(site.user, stranger).allows(billing(stranger), nats(site.user), CLIENT)
    assert stranger.all_of("NetworkPolicy") == []


@pytest.mark.usefixtures("operator")
def test_a_module_that_is_admitted_no_longer_is_shut_out_and_its_pods_stay_closed(
    user: User, server: NatsServer, stranger: User
) -> None:
    team = {"from": "Selector", "selector": {"matchLabels": {"team": "boilers"}}}
    stranger.label_namespace({"team": "boilers"})
    bring_up(user, server, network=NETWORK, accounts=[{"name": "boilers", "namespaces": team}])
    stranger.apply("Module", "billing", {"hubRef": {"name": "plant", "namespace": user.namespace}, "network": BILLING})
    stranger.wait_for("NetworkPolicy", "billing-module", lambda it: str(CLIENT) in str(it["spec"]))

    stranger.label_namespace({"team": None})

    wait_allowed((user, stranger), billing(stranger), nats(user), CLIENT, allowed=False)
    stranger.wait_reason("Module", "billing", "NamespaceNotAdmitted")
    stranger.wait_for("NetworkPolicy", "billing-module", lambda it: str(CLIENT) not in str(it["spec"]))
    assert not cluster(user, stranger).allows(billing(stranger), Pod(stranger.namespace, "shop"), 80)


OPEN = {"spec": {"ingress": [{}], "egress": [{}]}}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(
    "harm",
    [
        lambda user, name: user.patch("NetworkPolicy", name, OPEN),
        lambda user, name: user.patch("NetworkPolicy", name, {"spec": {"podSelector": {"matchLabels": {"app": "x"}}}}),
        lambda user, name: user.patch("NetworkPolicy", name, {"spec": {"policyTypes": ["Ingress"], "egress": None}}),
        lambda user, name: user.patch("NetworkPolicy", name, {"metadata": {"annotations": None}, **OPEN}),
        lambda user, name: user.patch("NetworkPolicy", name, {"metadata": {"labels": None}, **OPEN}),
        lambda user, name: user.delete("NetworkPolicy", name),
    ],
    ids=["opened", "for others", "one way only", "unmarked", "unlabelled", "deleted"],
)
def test_a_policy_that_somebody_edits_is_as_it_was(site: Site, name: str, harm: Callable[[User, str], object]) -> None:
    before = site.user.get("NetworkPolicy", name)
    assert before is not None

    harm(site.user, name)

    after = site.user.wait_for("NetworkPolicy", name, lambda it: it["spec"] == before["spec"])
    for marks in ("labels", "annotations"):
        assert after["metadata"][marks] == before["metadata"][marks]


def test_a_restart_of_the_operator_writes_no_policy(site: Site, operator: Operator) -> None:
    before = {name: site.user.get("NetworkPolicy", name) for name in OURS}

    operator.stop()
    operator.start()

    site.user.issue_device("after")
    assert {name: site.user.get("NetworkPolicy", name) for name in OURS} == before


def test_a_second_hub_that_closes_the_same_namespace_is_told_and_takes_over_when_the_first_lets_go(site: Site) -> None:
    user = site.user
    first = user.get("NetworkPolicy", "iotsec-default-deny") or {}

    user.apply_hub("other", [site.url], network={"nats": NATS, "defaultDeny": {}})

    told = user.wait_for("Hub", "other", lambda it: condition_of(it, "NetworkPoliciesWritten").get("status") == "False")
    assert f"is that of Hub {user.namespace}/plant" in condition_of(told, "NetworkPoliciesWritten")["message"]
    assert user.get("NetworkPolicy", "iotsec-default-deny") == first
    user.apply_hub("plant", [site.url], network={"nats": NATS})
    wait_written(user, "other")
    assert not cluster(user).allows(Pod(user.namespace, "shell"), Pod(user.namespace, "shop"), 80)


@pytest.mark.usefixtures("operator")
def test_a_module_of_all_pods_leaves_out_the_servers_of_another_hub(site: Site) -> None:
    others = {"key": "app", "operator": "NotIn", "values": ["others"]}

    site.user.apply_hub("other", [site.url], network={"nats": {"podSelector": {"matchLabels": {"app": "others"}}}})
    site.user.apply_module("anything", network={"podSelector": {}, "allPods": True})

    site.user.wait_for(
        "NetworkPolicy",
        "anything-module",
        lambda it: others in it["spec"]["podSelector"].get("matchExpressions", ()),
    )


def test_policies_in_another_namespace_go_with_the_hub(user: User, server: NatsServer, stranger: User) -> None:
    stranger.label_namespace({"iotsec.dev/network": user.namespace})
    bring_up(user, server, network={"nats": {**NATS, "namespace": stranger.namespace}})
    wait_written(user)
    assert [item["metadata"]["name"] for item in stranger.all_of("NetworkPolicy")] == ["plant-nats"]

    user.delete("Hub", "plant")
    user.wait_gone("Hub", "plant")

    stranger.wait_gone("NetworkPolicy", "plant-nats")


@pytest.mark.usefixtures("operator")
def test_a_hub_writes_no_policy_into_a_namespace_before_that_lets_it_nor_after(
    user: User, server: NatsServer, stranger: User
) -> None:
    theirs = {"podSelector": {"matchLabels": {"app": "vault"}}, "namespace": stranger.namespace}
    network = {"nats": theirs, "outside": [{"listener": "client", "cidrs": ["0.0.0.0/0"]}]}
    bring_up(user, server, network=network | {"defaultDeny": {"from": "Selector", "selector": {}}})

    told = user.wait_for("Hub", "plant", lambda it: condition_of(it, "NetworkPoliciesWritten").get("status") == "False")
    assert f"labelled iotsec.dev/network={user.namespace}" in condition_of(told, "NetworkPoliciesWritten")["message"]
    assert stranger.all_of("NetworkPolicy") == []

    stranger.label_namespace({"iotsec.dev/network": user.namespace})
    wait_written(user)
    assert {one["metadata"]["name"] for one in stranger.all_of("NetworkPolicy")} == {
        "plant-nats",
        "iotsec-default-deny",
    }

    stranger.label_namespace({"iotsec.dev/network": None})
    for name in ("plant-nats", "iotsec-default-deny"):
        stranger.wait_gone("NetworkPolicy", name)


def test_a_namespace_that_went_while_nobody_looked_holds_nobody_up(
    operator: Operator, user: User, server: NatsServer, plane: ControlPlane
) -> None:
    with new_namespace(plane) as other:
        other.label_namespace({"iotsec.dev/network": user.namespace})
        bring_up(user, server, network={"nats": {**NATS, "namespace": other.namespace}})
        wait_written(user)
        operator.stop()
    other.wait_namespace_gone()

    operator.start()

    told = user.wait_for("Hub", "plant", lambda it: condition_of(it, "NetworkPoliciesWritten").get("status") == "False")
    assert "there is no namespace" in condition_of(told, "NetworkPoliciesWritten")["message"]
    assert user.issue_device("weather-01")


def test_a_module_that_selects_no_pod_says_so_until_there_is_one(site: Site) -> None:
    user = site.user
    user.apply_module("billing", network=BILLING)

    user.wait_for("Module", "billing", lambda it: condition_of(it, "SelectsNoPods").get("reason") == "NoPods")
    assert condition_of(user.wait_ready("Module", "billing"), "Ready")["status"] == "True"
    user.create("Pod", "billing-0", metadata=LABELLED, spec={"containers": [{"name": "a", "image": "a"}]})

    user.wait_for("Module", "billing", lambda it: not condition_of(it, "SelectsNoPods"))


def test_a_module_of_a_hub_without_a_network_says_that_it_has_no_policy(plant: Site) -> None:
    plant.user.apply_module("lonely", network=BILLING)

    module = plant.user.wait_ready("Module", "lonely")

    assert condition_of(module, "NetworkCaution")["reason"] == "NetworkUnknown"
    assert plant.user.all_of("NetworkPolicy") == []
