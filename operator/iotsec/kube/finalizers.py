"""Our finalizer on an object: put there before anything is issued, taken away when all of it is cut off."""

from typing import Any

from iotsec.decide.names import FINALIZER
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError, NotFoundError
from iotsec.kube.resources import Resource

_UNPROCESSABLE = 422


async def add_finalizer(client: Client, resource: Resource, namespace: str, name: str) -> None:
    """Add our finalizer beside those that are there.

    Raises:
        ApiError: the object changed meanwhile; try again.

    """
    metadata = (await client.get_metadata(resource, namespace, name))["metadata"]
    finalizers = metadata.get("finalizers") or []
    if FINALIZER not in finalizers:
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": [*finalizers, FINALIZER]}}
        await client.merge_patch(resource, namespace, name, body)


async def remove_finalizer(client: Client, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
    """Remove our finalizer and no other; an object that is gone already, or another one of its name, is fine.

    It almost always stands first, so that is tried without a read.
    """
    try:
        try:
            await client.json_patch(resource, namespace, name, _without(0, uid))
        except ApiError as error:
            if error.code != _UNPROCESSABLE:
                raise
            metadata = (await client.get_metadata(resource, namespace, name))["metadata"]
            finalizers = metadata.get("finalizers") or []
            if FINALIZER in finalizers and metadata["uid"] == uid:
                await client.json_patch(resource, namespace, name, _without(finalizers.index(FINALIZER), uid))
    except NotFoundError:
        return


def _without(position: int, uid: str) -> list[dict[str, Any]]:
    path = f"/metadata/finalizers/{position}"
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": path, "value": FINALIZER},
        {"op": "remove", "path": path},
    ]
