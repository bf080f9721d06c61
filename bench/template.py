"""What the operator wrote for one Device, to be written again for others: of the same size and shape."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

_SET_BY_SERVER = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"}


@dataclass(frozen=True, slots=True)
class Template:
    """The Secrets of a Device without what the API server sets, and its status."""

    device: str
    """Its name."""
    secrets: Sequence[Mapping[str, Any]]
    status: Mapping[str, Any]

    @classmethod
    def of(cls, secrets: Sequence[Mapping[str, Any]], device: Mapping[str, Any]) -> Self:
        """Take it from a Device as the API server gave it, and from those of the Secrets that it owns.

        Raises:
            LookupError: it owns none of them.

        """
        own = [_bare(secret) for secret in secrets if _is_owned(secret, device["metadata"]["uid"])]
        if not own:
            raise LookupError(f"no Secret of Device {device['metadata']['name']}")
        return cls(device["metadata"]["name"], own, device["status"])

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(body["device"], body["secrets"], body["status"])

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {"device": self.device, "secrets": self.secrets, "status": self.status}

    def secrets_for(self, namespace: str, name: str, uid: str) -> Iterator[dict[str, Any]]:
        """Yield the Secrets of another Device."""
        for secret in self.secrets:
            metadata = secret["metadata"]
            (owner,) = metadata["ownerReferences"]
            yield {
                **secret,
                "metadata": {
                    **metadata,
                    "namespace": namespace,
                    "name": name + metadata["name"].removeprefix(self.device),
                    "ownerReferences": [{**owner, "name": name, "uid": uid}],
                },
            }


def _is_owned(secret: Mapping[str, Any], uid: str) -> bool:
    return any(owner["uid"] == uid for owner in secret["metadata"].get("ownerReferences", ()))


def _bare(secret: Mapping[str, Any]) -> dict[str, Any]:
    return {**secret, "metadata": {k: v for k, v in secret["metadata"].items() if k not in _SET_BY_SERVER}}
