"""The labels of every namespace, by which accounts admit the identities in it."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from iotsec.decide.admission import Labels


class Namespaces:
    """Every namespace's labels as the watch told them; ``changed`` is called with a namespace whose labels are others.

    A namespace that is gone has none. Where ``only`` some are worked in, nobody may watch namespaces: then these are
    all there are, and their labels are unknown.
    """

    def __init__(self, *, changed: Callable[[str], None], only: Iterable[str] = ()) -> None:
        self._changed = changed
        self._labels: dict[str, Labels] = dict.fromkeys(only)
        self.labels: Mapping[str, Labels] = MappingProxyType(self._labels)
        """The labels by namespace; it shows what is so now, whenever it is looked at."""

    def upsert(self, item: Mapping[str, Any]) -> None:
        """Take in a namespace as an event shows it."""
        metadata = item["metadata"]
        labels = dict(metadata.get("labels") or {})
        if self._labels.get(metadata["name"]) != labels:
            self._labels[metadata["name"]] = MappingProxyType(labels)
            self._changed(metadata["name"])

    def gone(self, _: str, name: str) -> None:
        """Take in that a namespace no longer exists."""
        if self._labels.pop(name, None) is not None:
            self._changed(name)
