"""Server-side apply of manifests, as `kubectl apply --server-side` does it, where no kubectl is needed."""

import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from testbed.api import Api, RequestRefusedError

_FIELD_MANAGER = "testbed"
_FIRST_KINDS = ("Namespace", "CustomResourceDefinition", "ServiceAccount")
_RETRY_SECONDS = 0.1
_PATIENCE_SECONDS = 15
_PASSING = {HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def apply(api: Api, paths: Iterable[Path]) -> None:
    """Create or update every object of YAML files, or folders of them; what others need comes first."""
    apply_objects(api, (thing for path in paths for thing in _objects(path)))


def apply_objects(api: Api, things: Iterable[dict[str, Any]]) -> None:
    """Create or update objects; what others need comes first."""
    objects = sorted(
        things, key=lambda thing: _FIRST_KINDS.index(thing["kind"]) if thing["kind"] in _FIRST_KINDS else 99
    )
    for thing in objects:
        _apply_patiently(api, thing)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    for file in files:
        if file.name != "kustomization.yaml":
            yield from filter(None, yaml.safe_load_all(file.read_text()))


def _apply_patiently(api: Api, thing: dict[str, Any]) -> None:
    """Just after a CustomResourceDefinition is created its kind is unknown for a moment, or answers 429 or 503."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            path = _path(api, thing)
            query = f"fieldManager={_FIELD_MANAGER}&force=true"
            api.request("PATCH", f"{path}?{query}", thing, content_type="application/apply-patch+yaml")
        except RequestRefusedError as error:
            passing = error.status in _PASSING
            if not passing or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _path(api: Api, thing: dict[str, Any]) -> str:
    version, kind, metadata = thing["apiVersion"], thing["kind"], thing["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for resource in api.request("GET", root)["resources"]:
        if resource["kind"] == kind and "/" not in resource["name"]:
            place = f"/namespaces/{metadata.get('namespace', 'default')}" if resource["namespaced"] else ""
            return f"{root}{place}/{resource['name']}/{metadata['name']}"
    raise RequestRefusedError(HTTPStatus.NOT_FOUND, f"no kind {kind} in {version}")
