"""A cluster on which somebody installs the operator."""

import uuid

from chart.helm import Helm, Object

from iotsec.decide.names import FINALIZER, MANAGED_BY
from testbed.api import RequestRefusedError
from testbed.control_plane import ControlPlane


class Cluster:
    """An API server and Helm on it; what is installed goes with the cluster."""

    def __init__(self, plane: ControlPlane, helm: Helm) -> None:
        self.plane = plane
        self.helm = helm

    def namespace(self, **labels: str) -> str:
        """A new namespace, with its name."""
        name = f"test-{uuid.uuid4().hex[:8]}"
        body = {"metadata": {"name": name, "labels": {key.replace("__", "/"): value for key, value in labels.items()}}}
        self.plane.api.request("POST", "/api/v1/namespaces", body)
        return name

    def get(self, path: str) -> Object | None:
        """An object, or nothing."""
        try:
            return self.plane.api.request("GET", path)
        except RequestRefusedError:
            return None

    def create(self, path: str, body: Object) -> Object:
        """Create an object."""
        return self.plane.api.request("POST", path, body)

    def device(self, namespace: str, name: str = "weather-01") -> Object:
        """A Device and its Secret, as the operator would leave them."""
        device = self.create(
            f"/apis/iotsec.dev/v1alpha1/namespaces/{namespace}/devices",
            {
                "apiVersion": "iotsec.dev/v1alpha1",
                "kind": "Device",
                "metadata": {"name": name, "finalizers": [FINALIZER]},
                "spec": {"hubRef": {"name": "plant"}},
            },
        )
        owner = {"apiVersion": "iotsec.dev/v1alpha1", "kind": "Device", "name": name, "uid": device["metadata"]["uid"]}
        metadata = {
            "name": f"{name}-device-creds",
            "ownerReferences": [owner],
            "labels": dict([MANAGED_BY]),
            "finalizers": [FINALIZER],
        }
        self.create(f"/api/v1/namespaces/{namespace}/secrets", {"metadata": metadata})
        return device

    def device_again(self, namespace: str, name: str = "weather-01") -> Object | None:
        """The Device as it is now."""
        return self.get(f"/apis/iotsec.dev/v1alpha1/namespaces/{namespace}/devices/{name}")

    def secret(self, namespace: str, name: str = "weather-01-device-creds") -> Object | None:
        """Its Secret as it is now."""
        return self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
