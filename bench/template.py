"""What the operator wrote for one Device, to be written again for others: of the same size and shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_SET_BY_SERVER = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"}


@dataclass(frozen=True, slots=True)
class Template:
    """A Secret without what the API server sets, and a status."""

    secret: Mapping[str, Any]
    status: Mapping[str, Any]

    @classmethod
    def of(cls, secret: Mapping[str, Any], device: Mapping[str, Any]) -> Self:
        """Take it from a Secret and its Device as the API server gave them."""
        metadata = {k: v for k, v in secret["metadata"].items() if k not in _SET_BY_SERVER}
        return cls({**secret, "metadata": metadata}, device["status"])

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(body["secret"], body["status"])

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {"secret": self.secret, "status": self.status}

    def secret_for(self, namespace: str, name: str, uid: str) -> dict[str, Any]:
        """The Secret of another Device."""
        metadata = self.secret["metadata"]
        (owner,) = metadata["ownerReferences"]
        return {
            **self.secret,
            "metadata": {
                **metadata,
                "namespace": namespace,
                "name": f"{name}-device-creds",
                "ownerReferences": [{**owner, "name": name, "uid": uid}],
            },
        }
