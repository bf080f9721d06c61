"""An admission policy and its binding as YAML, for the manifests and for the chart."""

import textwrap
from collections.abc import Mapping
from typing import Any

from iotsec.install.plain_yaml import dump

_API = "admissionregistration.k8s.io/v1"


def policy_text(
    kind: str, name: str, spec: Mapping[str, Any], binding: Mapping[str, Any], *, labels: str = "", selector: str = ""
) -> str:
    """The policy and its binding, of ``kind`` and ``<kind>Binding``.

    ``labels`` are lines of their metadata, ``selector`` lines of what is matched; both may be a template's.
    """
    metadata = f"metadata:\n  name: {name}\n{labels}"
    constraints, rest = dump(spec["matchConstraints"]), dump({k: v for k, v in spec.items() if k != "matchConstraints"})
    bound = dump(binding) if binding else ""
    return (
        f"apiVersion: {_API}\nkind: {kind}\n{metadata}"
        f"spec:\n  matchConstraints:\n{selector}{_indented(constraints, 4)}{_indented(rest, 2)}"
        f"---\napiVersion: {_API}\nkind: {kind}Binding\n{metadata}"
        f"spec:\n  policyName: {name}\n{_indented(bound, 2)}"
    )


def _indented(text: str, width: int) -> str:
    return textwrap.indent(text, " " * width)
