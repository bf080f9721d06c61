"""What a person with kubectl does, in the words of a test: apply, get, delete, wait until ready."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar

from testbed.api import Api, RequestRefusedError
from testbed.waiting import wait_until

Object = dict[str, Any]
T = TypeVar("T")

_OURS = "/apis/iotsec.dev/v1alpha1"
_ROOTS = {
    **dict.fromkeys(("Secret", "ConfigMap", "Pod", "Service", "ServiceAccount"), "/api/v1"),
    "NetworkPolicy": "/apis/networking.k8s.io/v1",
    "Lease": "/apis/coordination.k8s.io/v1",
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet"), "/apis/apps/v1"),
}
_HELD = ("Hub", "TLSPolicy", "Device", "Module", "Client", "Secret")
"""What the operator's finalizer can be on; Hubs first, as nobody is cut off from a Hub that is not there."""
_PLURALS = {"TLSPolicy": "tlspolicies", "NetworkPolicy": "networkpolicies"}
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_RETRIED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


class User:
    """An administrator's hands, in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def apply(self, kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> Object:
        """Server-side apply an object of ours; raises `RequestRefusedError` where admission refuses it."""
        body = {
            "apiVersion": "iotsec.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
            "spec": spec,
        }
        path = f"{self._path(kind, name)}?fieldManager=user&force=true"

        def applied() -> Object | None:
            try:
                return self.api.request("PATCH", path, body, content_type=_APPLY)
            except RequestRefusedError as error:
                # Just after a CustomResourceDefinition is created its kind is not served for a moment.
                if error.status in _RETRIED:
                    return None
                raise

        return _first(applied, within=30, what=f"apply {kind} {name}")

    def apply_hub(self, name: str, servers: list[str], **spec: Any) -> Object:
        """Apply a Hub of these NATS servers."""
        return self.apply("Hub", name, {"nats": {"servers": servers}, **spec})

    def apply_device(self, name: str, hub: str = "plant", **spec: Any) -> Object:
        """Apply a Device of a Hub."""
        return self.apply("Device", name, {"hubRef": {"name": hub}, **spec})

    def apply_module(self, name: str, hub: str = "plant", **spec: Any) -> Object:
        """Apply a Module of a Hub."""
        return self.apply("Module", name, {"hubRef": {"name": hub}, **spec})

    def apply_client(self, name: str, hub: str = "plant", **spec: Any) -> Object:
        """Apply a Client of a Hub."""
        return self.apply("Client", name, {"hubRef": {"name": hub}, **spec})

    def apply_tls_policy(self, name: str, hub: str = "plant", **spec: Any) -> Object:
        """Apply a TLSPolicy of a Hub."""
        return self.apply("TLSPolicy", name, {"hubRef": {"name": hub}, **spec})

    def get(self, kind: str, name: str) -> Object | None:
        """Return the object, or None where there is none."""
        try:
            return self.api.request("GET", self._path(kind, name))
        except RequestRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def patch(self, kind: str, name: str, body: Mapping[str, Any], *, subresource: str = "") -> Object:
        """Merge-patch any object of this namespace, or one of its subresources."""
        path = f"{self._path(kind, name)}/{subresource}".rstrip("/")
        return self.api.request("PATCH", path, body, content_type=_MERGE)

    def annotate(self, kind: str, name: str, annotations: Mapping[str, str | None]) -> Object:
        """Set annotations of an object; one that is None is removed."""
        return self.patch(kind, name, {"metadata": {"annotations": annotations}})

    def label_namespace(self, labels: Mapping[str, str | None], namespace: str = "") -> Object:
        """Set labels of a namespace, by default this user's; one that is None is removed."""
        path = f"/api/v1/namespaces/{namespace or self.namespace}"
        return self.api.request("PATCH", path, {"metadata": {"labels": labels}}, content_type=_MERGE)

    def create(self, kind: str, name: str, **body: Any) -> Object:
        """Create a plain object, a Secret or a Deployment for instance."""
        path = self._path(kind, name).rpartition("/")[0]
        return self.api.request("POST", path, {"metadata": {"name": name}, **body})

    def delete(self, kind: str, name: str) -> None:
        """Ask for the object's deletion, as `kubectl delete --wait=false` does."""
        self.api.request("DELETE", self._path(kind, name))

    def all_of(self, kind: str) -> list[Object]:
        """Every object of a kind."""
        found: list[Object] = self.api.request("GET", self._path(kind, ""))["items"]
        return found

    def delete_all(self, kind: str) -> None:
        """Ask for the deletion of all objects of a kind, as `kubectl delete --all --wait=false` does."""
        self.api.request("DELETE", self._path(kind, ""))

    def delete_in_foreground(self, kind: str, name: str) -> None:
        """Ask for the deletion of the object after all it owns, as `kubectl delete --cascade=foreground` does."""
        self.api.request("DELETE", self._path(kind, name), {"propagationPolicy": "Foreground"})

    def wait_gone(self, kind: str, name: str, *, within: float = 30) -> None:
        """Wait until the object is no more."""
        wait_until(lambda: self.get(kind, name) is None, within=within, what=f"{kind} {name} is gone")

    def wait_for(self, kind: str, name: str, condition: Callable[[Object], bool], *, within: float = 30) -> Object:
        """Wait until the object exists and fulfils a condition."""

        def fulfilled() -> Object | None:
            found = self.get(kind, name)
            return found if found is not None and condition(found) else None

        try:
            return _first(fulfilled, within=within, what=f"{kind} {name}")
        except TimeoutError as error:
            found = self.get(kind, name) or {}
            raise TimeoutError(f"{error}; its status: {found.get('status')}") from None

    def wait_ready(self, kind: str, name: str, *, within: float = 30) -> Object:
        """Wait until it is Ready as its latest spec says."""
        return self.wait_for(
            kind,
            name,
            lambda o: (
                o["status"].get("observedGeneration") == o["metadata"]["generation"]
                and condition_of(o, "Ready").get("status") == "True"
            ),
            within=within,
        )

    def wait_reason(self, kind: str, name: str, reason: str, *, condition: str = "Ready", within: float = 30) -> Object:
        """Wait until a condition gives this reason."""
        return self.wait_for(kind, name, lambda o: condition_of(o, condition).get("reason") == reason, within=within)

    def secret(self, name: str) -> dict[str, bytes] | None:
        """Return a Secret's data, decoded, or None where there is no such Secret."""
        found = self.get("Secret", name)
        return None if found is None else {k: b64decode(v) for k, v in (found.get("data") or {}).items()}

    def wait_secret(self, name: str, *, within: float = 30) -> dict[str, bytes]:
        """Wait for a Secret and return its data."""
        return _first(lambda: self.secret(name), within=within, what=f"Secret {name}")

    def creds(self, name: str, kind: str = "device", *, key: str = "nats.creds") -> str:
        """Return an identity's creds file."""
        return self.wait_secret(f"{name}-{kind}-creds")[key].decode()

    def issue_device(self, name: str) -> str:
        """Apply a Device and return its creds file once it works."""
        self.apply_device(name)
        self.wait_ready("Device", name)
        return self.creds(name)

    def events(self, kind: str, name: str) -> list[Object]:
        """Return the events about an object."""
        items = self.api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")["items"]
        return [e for e in items if e["regarding"]["kind"] == kind and e["regarding"]["name"] == name]

    def wait_event(self, kind: str, name: str, reason: str, *, kind_of: str = "Warning", within: float = 30) -> Object:
        """Wait for an event about an object, with this reason and of this type."""

        def told() -> Object | None:
            found = (e for e in self.events(kind, name) if (e["reason"], e["type"]) == (reason, kind_of))
            return next(found, None)

        return _first(told, within=within, what=f"{kind_of} event {reason} about {kind} {name}")

    def wait_namespace_gone(self, *, within: float = 60) -> None:
        """Wait until the namespace and everything in it is no more; say what is left if it stays."""
        path = f"/api/v1/namespaces/{self.namespace}"

        def gone() -> bool:
            try:
                self.api.request("GET", path)
            except RequestRefusedError as error:
                return error.status == HTTPStatus.NOT_FOUND
            return False

        try:
            wait_until(gone, within=within, what=f"namespace {self.namespace} is gone")
        except TimeoutError as error:
            conditions = self.api.request("GET", path)["status"].get("conditions", ())
            remaining = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining")
            left = [c["message"] for c in conditions if c["type"] in remaining]
            raise TimeoutError(f"{error}: {left}") from None

    def abandon_namespace(self) -> None:
        """Delete the namespace, and wait for no NATS: its servers are gone for good, there is nobody to cut off.

        Otherwise all that is ours in it would ask for a server that is no more, and stay, as long as anybody looks.
        """
        with suppress(RequestRefusedError):  # it may be gone already
            self.api.request("DELETE", f"/api/v1/namespaces/{self.namespace}")
        for kind in _HELD:
            self.delete_all(kind)
            for held in self.all_of(kind):
                name = held["metadata"]["name"]
                with suppress(RequestRefusedError):  # gone meanwhile
                    self.patch(kind, name, {"metadata": {"finalizers": None}})

    def _path(self, kind: str, name: str) -> str:
        root = _ROOTS.get(kind, _OURS)
        plural = _PLURALS.get(kind, f"{kind.lower()}s")
        return f"{root}/namespaces/{self.namespace}/{plural}/{name}"


def _first(look: Callable[[], T | None], *, within: float, what: str) -> T:
    """Return the first thing that is there."""
    found = wait_until(look, within=within, what=what)
    if found is None:
        raise TimeoutError(what)
    return found


def condition_of(thing: Object, kind: str) -> Object:
    """Return a condition of an object, or an empty one."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), {})
