"""Who writes to the API server in the tests of admission, and what is there before they do."""

from base64 import b64encode
from typing import Any

from iotsec.decide.names import FINALIZER, MANAGED_BY
from iotsec.install.admission.policy import OPERATOR
from testbed.api import RequestRefusedError
from testbed.control_plane import ControlPlane
from testbed.user import Object, User
from testbed.waiting import wait_until

NATS = {"servers": ["nats://nats:4222"]}
SPECS: dict[str, Object] = {
    "Hub": {"nats": NATS},
    "TLSPolicy": {"hubRef": {"name": "plant"}, "issuer": {"selfSigned": {}}},
    **{kind: {"hubRef": {"name": "plant"}} for kind in ("Device", "Module", "Client")},
}
_OURS = "/apis/iotsec.dev/v1alpha1"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def administrator(plane: ControlPlane, namespace: str) -> User:
    """Somebody who may do everything."""
    return User(plane.api.acting_as("dora", "system:masters"), namespace)


def operator(plane: ControlPlane, namespace: str) -> User:
    """The operator's own ServiceAccount."""
    return User(plane.api.acting_as(OPERATOR), namespace)


def somebody_who_may(plane: ControlPlane, namespace: str, **role: Any) -> User:
    """Somebody with a role in one namespace: one of the cluster's, or of these rules."""
    name = "somebody"
    if "rules" in role:
        plane.api.request("POST", f"{_RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": name}, **role})
    reference = {"kind": "Role", "name": name} if "rules" in role else {"kind": "ClusterRole", "name": role["name"]}
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", **reference},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    }
    plane.api.request("POST", f"{_RBAC}/namespaces/{namespace}/rolebindings", binding)
    return User(plane.api.acting_as(name), namespace)


def written(plane: ControlPlane, namespace: str, kind: str, name: str = "plant", **spec: Any) -> Object:
    """An object that is there before the test begins."""
    return User(plane.api, namespace).apply(kind, name, {**SPECS[kind], **spec})


def made(plane: ControlPlane, namespace: str, kind: str, name: str, **content: Any) -> Object:
    """An object of the operator's, with its marks."""
    labels = dict([MANAGED_BY]) | {"iotsec.dev/component": content.pop("component", "other")}
    metadata = {"name": name, "labels": labels, "annotations": {"iotsec.dev/hub": f"{namespace}/plant"}}
    if kind == "Secret":
        metadata["finalizers"] = [FINALIZER]
        content = {"data": {key: b64encode(value).decode() for key, value in content.items()}}
    return User(plane.api, namespace).create(kind, name, **(content | {"metadata": metadata}))


def wait_in_force(plane: ControlPlane) -> None:
    """Wait until the API server goes by the first and the last of the policies; nothing is left of the question."""
    user = administrator(plane, "default")
    made(plane, "default", "NetworkPolicy", "last", spec={"podSelector": {}})
    last = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/last"
    hub = {"metadata": {"name": "first", "annotations": {"iotsec.dev/nothing": "x"}}, "spec": {"nats": NATS}}

    def refuses() -> bool:
        try:
            user.api.request("POST", f"{_OURS}/namespaces/default/hubs?dryRun=All", with_kind("Hub", hub))
        except RequestRefusedError as error:
            return "iotsec-annotations" in str(error)
        return False

    def warns() -> bool:
        user.api.request("DELETE", f"{last}?dryRun=All")
        return user.api.warnings != []

    wait_until(lambda: refuses() and warns(), what="the policies are in force")
    plane.api.request("DELETE", last)


def with_kind(kind: str, body: Object) -> Object:
    """An object of ours with what says so."""
    return {"apiVersion": "iotsec.dev/v1alpha1", "kind": kind, **body}
