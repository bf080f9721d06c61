"""Server-side apply of manifests, as `kubectl apply --server-side` does it, where no kubectl is needed."""

import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from testbed.api import Api, RequestRefusedError

_FIELD_MANAGER = "testbed"
_PASSING = {HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_FIRST_KINDS = ("Namespace", "CustomResourceDefinition", "ServiceAccount")
_RETRY_SECONDS = 0.1
_PATIENCE_SECONDS = 15
_PASSING = {HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def apply(api: Api, paths: Iterable[Path]) -> None:
    """Create or update every object of YAML files, or folders of them; what others need comes first."""
    apply_objects(api, [thing for path in paths for thing in _objects(path)])


def apply_objects(api: Api, things: Iterable[dict[str, Any]], *, dry_run: bool = False) -> None:
    """Create or update objects; with `dry_run` the API server judges them, strictly, and keeps nothing.

    Raises `RequestRefusedError` for the first that is refused.
    """
    objects = sorted(
        things, key=lambda thing: _FIRST_KINDS.index(thing["kind"]) if thing["kind"] in _FIRST_KINDS else 99
    )
    for thing in objects:
        apply_one(api, thing, dry_run=dry_run)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    for file in files:
        if file.name != "kustomization.yaml":
            yield from filter(None, yaml.safe_load_all(file.read_text()))


def apply_one(
    api: Api, thing: dict[str, Any], *, manager: str = _FIELD_MANAGER, dry_run: bool = False
) -> dict[str, Any]:
    """Create or update one object by the name of a field manager, and return it as it is then.

    Just after a CustomResourceDefinition is created its kind is unknown for a moment, or answers 429 or 503.
    """
    query = f"fieldManager={manager}&force=true" + ("&fieldValidation=Strict&dryRun=All" if dry_run else "")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            path = f"{path_of(api, thing)}?{query}"
            return api.request("PATCH", path, thing, content_type="application/apply-patch+yaml")
        except RequestRefusedError as error:
            passing = error.status in _PASSING
            if not passing or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)


def path_of(api: Api, thing: dict[str, Any]) -> str:
    """Where an object belongs; raises `RequestRefusedError` where its kind is not served."""
    version, kind, metadata = thing["apiVersion"], thing["kind"], thing["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for resource in api.request("GET", root)["resources"]:
        if resource["kind"] == kind and "/" not in resource["name"]:
            place = f"/namespaces/{metadata.get('namespace', 'default')}" if resource["namespaced"] else ""
            return f"{root}{place}/{resource['name']}/{metadata['name']}"
    raise RequestRefusedError(HTTPStatus.NOT_FOUND, f"no kind {kind} in {version}")
