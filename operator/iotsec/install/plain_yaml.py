"""YAML as every reader of manifests takes it: no folded lines, no aliases, the same text for the same values."""

import sys
from typing import Any

import yaml


def dump(*documents: Any, explicit_start: bool = False) -> str:
    """The documents as YAML, in the order of their keys; ``explicit_start`` begins each with ``---``."""
    return yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        width=sys.maxsize,
        allow_unicode=True,
        explicit_start=explicit_start,
    )


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice twice: not every reader of manifests knows aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 -- PyYAML's signature
        return True
