"""The API reference for people: one page of tables, from the same schemas as the CRDs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iotsec.api.constraints import RULES
from iotsec.api.crd import Kind, object_schema
from iotsec.api.meta import API_VERSION

_HEAD = f"""# API reference

Generated from the models in `operator/iotsec/api` by `python -m iotsec.api.generate`; do not edit.

All kinds are namespaced and of `apiVersion: {API_VERSION}`. The API server refuses what breaks a rule below, and says
the sentence that stands there. What is left out has no default in the object: the operator computes it.
"""


def reference(kinds: Sequence[Kind]) -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *(_kind(kind) for kind in kinds)])


def _kind(kind: Kind) -> str:
    schema = object_schema(kind)
    lines = [f"## {kind.name}", "", schema["description"], ""]
    lines += [
        f"`kubectl get {kind.plural}`, short `{kind.short}`; a name has at most {kind.name_length} characters.",
        "",
    ]
    for part in ("spec", "status"):
        lines += [f"### {kind.name} {part}", "", "| field | type | what it says |", "|---|---|---|"]
        lines += [
            _row(path, node, required=required) for path, node, required in _fields(part, schema["properties"][part])
        ]
        lines.append("")
        rules = list(dict.fromkeys(_rules(part, schema["properties"][part])))
        if part == "spec":
            rules += [(rule["fieldPath"].removeprefix("."), rule["message"]) for rule in schema.get(RULES, [])]
        if rules:
            lines += ["Refused with:", ""]
            lines += [f"- `{path}`: {_text(message)}" for path, message in rules]
            lines.append("")
    return "\n".join(lines)


def _row(path: str, node: Mapping[str, Any], *, required: bool) -> str:
    need = ", required" if required else ""
    return f"| `{path}` | {_type(node)}{need} | {_text(node.get('description', ''))} |"


def _fields(path: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Every field below ``node``: its path, its schema and whether it is required."""
    for name, child in node.get("properties", {}).items():
        below = f"{path}.{name}"
        yield below, child, name in node.get("required", ())
        yield from _fields(below, child)
        if "items" in child:
            yield from _fields(f"{below}[]", child["items"])


def _rules(path: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every CEL rule at and below ``node``: the path of the field it blames and its message."""
    for rule in node.get(RULES, []):
        yield path + rule.get("fieldPath", ""), rule["message"]
    for name, child in node.get("properties", {}).items():
        yield from _rules(f"{path}.{name}", child)
    if "items" in node:
        yield from _rules(f"{path}[]", node["items"])
    if "additionalProperties" in node:
        yield from _rules(f"{path}.*", node["additionalProperties"])


def _type(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    if node["type"] == "array":
        return f"list, at most {node['maxItems']}, of {_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map, at most {node['maxProperties']}, to {_type(node['additionalProperties'])}"
    if node.get("format") == "date-time":
        return "time"
    if "maxLength" in node:
        return f"string of at most {node['maxLength']} characters"
    return str(node["type"])


def _text(text: str) -> str:
    """Text that Markdown leaves alone: wildcards, placeholders and bars are content here."""
    for special in "*<>_|":
        text = text.replace(special, f"\\{special}")
    return text
