"""An object of ours as the watch showed it last, with its status as we wrote it since."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class ObjectRecord:
    """One object."""

    body: Mapping[str, Any]
    status: Mapping[str, Any]
    told_at: float = float("-inf")
    """When its status was written last, by the event loop's clock."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's metadata."""
        found: Mapping[str, Any] = self.body["metadata"]
        return found

    @property
    def annotations(self) -> Mapping[str, str]:
        """The object's annotations."""
        found: Mapping[str, str] = self.metadata.get("annotations") or {}
        return found

    @property
    def uid(self) -> str:
        """The object's uid."""
        return str(self.metadata["uid"])

    @property
    def ending(self) -> bool:
        """Somebody asked for its deletion."""
        return "deletionTimestamp" in self.metadata
