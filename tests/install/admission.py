"""A namespace in which the API server goes by our admission policies, who writes there, and what is there before."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from iotsec.decide.names import FINALIZER, MANAGED_BY
from iotsec.install.admission.policy import OPERATOR
from testbed.api import RequestRefusedError
from testbed.control_plane import ControlPlane
from testbed.user import Object, User
from testbed.waiting import wait_until

SPECS: dict[str, Object] = {
    "Hub": {"nats": {"servers": ["nats://nats:4222"]}},
    "TLSPolicy": {"hubRef": {"name": "plant"}, "issuer": {"selfSigned": {}}},
    **{kind: {"hubRef": {"name": "plant"}} for kind in ("Device", "Module", "Client")},
}
KINDS = sorted(SPECS)
CREDS = {"component": "credentials", "nats.creds": b"something secret"}
"""A Secret of the operator's, as `Place.made` takes it."""
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Place:
    """One namespace of a control plane."""

    plane: ControlPlane
    namespace: str

    def administrator(self) -> User:
        """Somebody who may do everything."""
        return self.acting_as("dora", "system:masters")

    def operator(self) -> User:
        """The operator's own ServiceAccount."""
        return self.acting_as(OPERATOR)

    def acting_as(self, user: str, *groups: str) -> User:
        """Somebody who writes here."""
        return User(self.plane.api.acting_as(user, *groups), self.namespace)

    def bound_to(self, role: str) -> User:
        """Somebody with a ClusterRole in this namespace."""
        return self._bound({"kind": "ClusterRole", "name": role})

    def who_may(self, *rules: Object) -> User:
        """Somebody with a role of these rules in this namespace."""
        body = {"metadata": {"name": "somebody"}, "rules": rules}
        self.plane.api.request("POST", f"{_RBAC}/namespaces/{self.namespace}/roles", body)
        return self._bound({"kind": "Role", "name": "somebody"})

    def _bound(self, role: Object) -> User:
        name = "somebody"
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", **role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        }
        self.plane.api.request("POST", f"{_RBAC}/namespaces/{self.namespace}/rolebindings", binding)
        return self.acting_as(name)

    def get(self, kind: str, name: str) -> Object | None:
        """An object as it is."""
        return User(self.plane.api, self.namespace).get(kind, name)

    def written(self, kind: str, **spec: Any) -> Object:
        """An object `plant` that is there before the test begins."""
        return User(self.plane.api, self.namespace).apply(kind, "plant", {**SPECS[kind], **spec})

    def made(self, kind: str, name: str, *, component: str, **content: Any) -> Object:
        """An object of the operator's, with its marks; the content of a Secret is its entries."""
        metadata: Object = {
            "name": name,
            "labels": dict([MANAGED_BY]) | {"iotsec.dev/component": component},
            "annotations": {"iotsec.dev/hub": f"{self.namespace}/plant"},
        }
        if kind == "Secret":
            metadata["finalizers"] = [FINALIZER]
            content = {"data": {key: b64encode(value).decode() for key, value in content.items()}}
        return User(self.plane.api, self.namespace).create(kind, name, **(content | {"metadata": metadata}))


def wait_in_force(plane: ControlPlane) -> None:
    """Wait until the API server goes by the first and by the last of the policies."""
    place = Place(plane, "default")
    user = place.administrator()
    place.made("NetworkPolicy", "last", component="network-policy", spec={"podSelector": {}})
    annotations = {"iotsec.dev/nothing": "x"}
    first = {
        "apiVersion": "iotsec.dev/v1alpha1",
        "kind": "Hub",
        "metadata": {"name": "first", "annotations": annotations},
        "spec": SPECS["Hub"],
    }

    def refuses() -> bool:
        try:
            user.api.request("POST", "/apis/iotsec.dev/v1alpha1/namespaces/default/hubs?dryRun=All", first)
        except RequestRefusedError as error:
            return "iotsec-annotations" in str(error)
        return False

    def warns() -> bool:
        path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/last"
        user.api.request("DELETE", f"{path}?dryRun=All")
        return user.api.warnings != []

    wait_until(lambda: refuses() and warns(), what="the policies are in force")
