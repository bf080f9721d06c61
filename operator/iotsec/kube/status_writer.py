"""The one place that writes status: only when it differs, and only what differs."""

from collections.abc import Mapping
from typing import Any

from iotsec.kube.client import Client
from iotsec.kube.errors import NotFoundError
from iotsec.kube.resources import Resource


def status_patch(previous: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the merge patch from one status to the other, or ``None`` where they are equal."""
    gone = {key: None for key in previous if key not in wanted}
    changed = {key: value for key, value in wanted.items() if previous.get(key) != value}
    return {"status": {**changed, **gone}} if changed or gone else None


async def write_status(
    client: Client,
    resource: Resource,
    namespace: str,
    name: str,
    *,
    previous: Mapping[str, Any],
    wanted: Mapping[str, Any],
) -> bool:
    """Make the status so; tell whether anything was written. An object that is gone needs none."""
    patch = status_patch(previous, wanted)
    if patch is None:
        return False
    try:
        await client.merge_patch(resource, namespace, name, patch, subresource="status")
    except NotFoundError:
        return False
    return True
