"""The kinds, as a real API server serves them."""

import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, watch

from iotsec.api.crd import KINDS
from testbed.control_plane import ControlPlane

CRDS = Path(__file__).resolve().parents[2] / "crds"


class Kinds:
    """What users do with objects of ours; each call is answered as ``kubectl`` would be."""

    def __init__(self, api: client.ApiClient) -> None:
        self.api = api
        self.objects = client.CustomObjectsApi(api)
        self.definitions = client.ApiextensionsV1Api(api)

    def plural(self, obj: dict[str, Any]) -> str:
        return {kind.name: kind.plural for kind in KINDS}[obj["kind"]]

    def create(self, obj: dict[str, Any], namespace: str, **options: Any) -> dict[str, Any]:
        body = obj | {"metadata": obj["metadata"] | {"namespace": namespace}}
        created: dict[str, Any] = self.objects.create_namespaced_custom_object(
            "iotsec.dev", "v1alpha1", namespace, self.plural(obj), body, field_validation="Strict", **options
        )
        return created

    def find(self, plural: str, namespace: str, *, accept: str = "application/json", **options: Any) -> dict[str, Any]:
        """The objects of a namespace, in the form that ``accept`` asks for."""
        found: dict[str, Any] = self.objects.list_namespaced_custom_object(
            "iotsec.dev", "v1alpha1", namespace, plural, _headers={"Accept": accept}, **options
        )
        return found

    def merge(self, plural: str, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """A merge patch, as ``kubectl patch --type=merge`` sends it."""
        changed: dict[str, Any] = self.objects.patch_namespaced_custom_object(
            "iotsec.dev", "v1alpha1", namespace, plural, name, body, _content_type="application/merge-patch+json"
        )
        return changed

    def apply(self, obj: dict[str, Any], namespace: str, *, manager: str, force: bool = False) -> dict[str, Any]:
        """A server-side apply, as ``kubectl apply --server-side --field-manager=<manager>`` sends it."""
        body = obj | {"metadata": obj["metadata"] | {"namespace": namespace}}
        where = (namespace, self.plural(obj), obj["metadata"]["name"])
        # The client knows no answer 201 to a patch, which an apply that creates gets: read as it came.
        answer = self.objects.patch_namespaced_custom_object(
            *("iotsec.dev", "v1alpha1", *where, body),
            field_manager=manager,
            field_validation="Strict",
            force=force,
            _content_type="application/apply-patch+yaml",
            _preload_content=False,
        )
        applied: dict[str, Any] = json.loads(answer.data)
        return applied

    def write_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The status as the API server keeps it."""
        where = (obj["metadata"]["namespace"], self.plural(obj), obj["metadata"]["name"])
        answer = self.objects.replace_namespaced_custom_object_status("iotsec.dev", "v1alpha1", *where, obj)
        status: dict[str, Any] = answer["status"]
        return status


@pytest.fixture(scope="session")
def kinds(control_plane: ControlPlane, admin: client.ApiClient) -> Kinds:
    """The kinds, applied from ``crds/`` and served."""
    control_plane.apply(CRDS)
    kinds = Kinds(admin)
    for kind in KINDS:
        wait_until_served(kinds.definitions, kind.crd_name)
    return kinds


def wait_until_served(definitions: client.ApiextensionsV1Api, name: str) -> None:
    stream = watch.Watch()
    query = {"field_selector": f"metadata.name={name}", "timeout_seconds": 30}
    for event in stream.stream(definitions.list_custom_resource_definition, **query):
        conditions = event["raw_object"].get("status", {}).get("conditions", [])
        if any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions):
            stream.stop()
            return
    pytest.fail(f"{name} is not served after 30 seconds")
