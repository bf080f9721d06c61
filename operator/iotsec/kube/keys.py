"""What a work item is called."""

from typing import NamedTuple


class Key(NamedTuple):
    """One object to bring in order."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.place}"

    @property
    def place(self) -> str:
        """Where it is: ``<namespace>/<name>``."""
        return f"{self.namespace}/{self.name}"
