"""What the generated roles let the operator and users do, as the API server's own authorizer sees it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from iotsec.install.rules import LEADER_EVENTS, LEASE, USER_ROLES, cluster_rules
from testbed.control_plane import ControlPlane
from testbed.operator import SERVICE_ACCOUNT
from testbed.waiting import wait_until

MANIFESTS = Path(__file__).parents[2] / "manifests"
OPERATOR = f"system:serviceaccount:{SERVICE_ACCOUNT.replace('/', ':')}"
OWN = SERVICE_ACCOUNT.partition("/")[0]
ALL_RULES = [*cluster_rules(), *LEASE, LEADER_EVENTS, *(rule for role in USER_ROLES for rule in role.rules)]
IDENTITIES = {"devices", "modules", "clients"}
KINDS = IDENTITIES | {"hubs", "tlspolicies"}

May = Callable[[str, str, str, str], bool]


@pytest.fixture
def may(control_plane: ControlPlane) -> May:
    """Whether somebody may use a verb on a resource ("group/resource/subresource") in a namespace."""
    control_plane.apply(MANIFESTS / "rbac.yaml", MANIFESTS / "users.yaml")

    def ask(who: str, verb: str, what: str, namespace: str) -> bool:
        group, resource, *sub = what.split("/")
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        attributes |= {"subresource": sub[0]} if sub else {}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": who, "groups": ["system:authenticated"], "resourceAttributes": attributes},
        }
        answer = control_plane.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        allowed: bool = answer["status"]["allowed"]
        return allowed

    return ask


def bind(control_plane: ControlPlane, namespace: str, role: str) -> str:
    """Bind a user, named as the role, to a ClusterRole of Kubernetes in a namespace."""
    control_plane.api.request(
        "POST",
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
        {
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": role}],
        },
    )
    return role


@pytest.mark.parametrize(
    ("role", "writes"),
    [("view", set()), ("edit", IDENTITIES), ("admin", KINDS)],
)
def test_the_roles_of_kubernetes_reach_our_kinds(
    control_plane: ControlPlane, namespace: str, may: May, role: str, writes: set[str]
) -> None:
    user = bind(control_plane, namespace, role)

    def allowed(verb: str, subresource: str = "") -> set[str]:
        return {kind for kind in KINDS if may(user, verb, f"iotsec.dev/{kind}{subresource}", namespace)}

    wait_until(lambda: allowed("get"))
    assert allowed("list") == allowed("watch") == allowed("get", "/status") == KINDS
    assert allowed("create") == allowed("patch") == allowed("delete") == writes
    assert allowed("patch", "/status") == set()


def test_whoever_sees_a_device_does_not_see_its_secret(control_plane: ControlPlane, namespace: str, may: May) -> None:
    user = bind(control_plane, namespace, "view")

    wait_until(lambda: may(user, "get", "iotsec.dev/devices", namespace))
    assert not any(may(user, verb, "/secrets", namespace) for verb in ("get", "list", "watch"))


def test_nobody_sees_anything_of_another_namespace(control_plane: ControlPlane, namespace: str, may: May) -> None:
    user = bind(control_plane, namespace, "admin")

    wait_until(lambda: may(user, "get", "iotsec.dev/devices", namespace))
    assert not may(user, "get", "iotsec.dev/devices", "default")


@pytest.mark.parametrize(
    ("verb", "what", "where"),
    [
        ("delete", "iotsec.dev/devices", "default"),
        ("update", "iotsec.dev/devices", "default"),
        ("update", "iotsec.dev/devices/finalizers", "default"),
        ("create", "iotsec.dev/hubs", "default"),
        ("patch", "iotsec.dev/tlspolicies", "default"),
        ("create", "/pods", "default"),
        ("create", "/pods/exec", "default"),
        ("patch", "/namespaces", ""),
        ("get", "/nodes", ""),
        ("create", "/serviceaccounts/token", "default"),
        ("get", "apps/deployments", "default"),
        ("create", "apps/deployments", "default"),
        ("create", "rbac.authorization.k8s.io/rolebindings", "default"),
        ("escalate", "rbac.authorization.k8s.io/clusterroles", ""),
        ("impersonate", "/users", ""),
        ("patch", "apiextensions.k8s.io/customresourcedefinitions", ""),
        ("approve", "cert-manager.io/signers", ""),
        ("create", "coordination.k8s.io/leases", "kube-system"),
        ("patch", "coordination.k8s.io/leases", OWN),  # of any name
    ],
)
def test_the_operator_may_not(may: May, verb: str, what: str, where: str) -> None:
    assert not may(OPERATOR, verb, what, where)


def test_the_operator_may_use_the_rights_of_its_rules(may: May) -> None:
    """What says that the refusals above are not those of an account that may do nothing."""
    asked = [
        (OPERATOR, verb, f"{rule.group}/{resource}", "default")
        for rule in cluster_rules()
        for resource in rule.resources
        for verb in rule.verbs
    ]

    wait_until(lambda: may(*asked[0]))
    assert [question for question in asked if not may(*question)] == []


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: f"{rule.group}/{rule.resources[0]}")
def test_no_rule_is_wider_than_it_says(rule: object) -> None:
    assert "*" not in repr(rule)
