"""Whether the API server serves the kinds as this operator knows them: CRDs that are older lose fields without a word.

What is served is read from the OpenAPI document of the group, which every authenticated user may read; CRDs
themselves may be read only by whom a ClusterRole allows it. Newer CRDs do: what they add is not this operator's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iotsec.decide.listing import some_of

Schema = Mapping[str, Any]

_GIVEN = ("apiVersion", "kind", "metadata")
"""Of every object; Kubernetes writes these into the document by itself."""


def served(document: Mapping[str, Any], group: str, version: str) -> dict[str, Schema]:
    """Return the schema of each kind of a group and version, by its name, from an OpenAPI v3 document."""
    found: dict[str, Schema] = {}
    for schema in (document.get("components") or {}).get("schemas", {}).values():
        for kind in schema.get("x-kubernetes-group-version-kind") or ():
            if (kind.get("group"), kind.get("version")) == (group, version):
                found[kind["kind"]] = schema
    return found


def lacking(known: Mapping[str, Schema], there: Mapping[str, Schema]) -> tuple[str, ...]:
    """Return what is known of each kind and not served: kinds, fields and values, such as ``Device.spec.role``."""
    return tuple(
        path
        for kind, schema in known.items()
        for path in (_absent(schema, there[kind], kind) if kind in there else (kind,))
    )


def problem(absent: Sequence[str]) -> str:
    """Return what is told of that, and what helps; empty where nothing is absent."""
    if not absent:
        return ""
    return (
        f"the CustomResourceDefinitions are older than this operator: they lack {some_of(absent)}. "
        "Apply those of this version; nothing is done before"
    )


def _absent(known: Schema, there: Schema, path: str) -> Iterator[str]:
    """Yield what a schema lacks, the outermost of it alone."""
    if known.get("type") != there.get("type"):
        yield path
        return
    for value in known.get("enum", ()):
        if value not in there.get("enum", (value,)):
            yield f"{path}={value}"
    properties = there.get("properties") or {}
    for name, child in (known.get("properties") or {}).items():
        if name in _GIVEN and "." not in path:
            continue
        if name in properties:
            yield from _absent(child, properties[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}"
    for inner in ("items", "additionalProperties"):
        if isinstance(known.get(inner), Mapping):
            yield from _absent(known[inner], there.get(inner) or {}, f"{path}[]")
