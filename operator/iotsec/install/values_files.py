"""``values.yaml``, ``values.schema.json`` and the table of values, from the models."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from iotsec.install.plain_yaml import dump
from iotsec.install.values import ChartValues

_WIDTH = 118
_DRAFT = "http://json-schema.org/draft-07/schema#"  # all that every Helm since 3.0 reads


def values_yaml() -> str:
    """Every value with its default, and above it what it is for."""
    return "\n".join(_lines(ChartValues(), 0)) + "\n"


def values_schema() -> str:
    """The JSON schema, by which Helm refuses what is misspelt or out of range."""
    whole = ChartValues.model_json_schema(by_alias=True, mode="validation")
    schema = {"$schema": _DRAFT} | _inlined(whole, whole.get("$defs", {}))
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def values_table() -> str:
    """A table of every value that is not a group of others, for people."""
    rows = [f"| `{path}` | `{default}` | {text} |" for path, default, text in _rows(ChartValues(), "")]
    return "\n".join(["| value | default | what it is for |", "|---|---|---|", *rows]) + "\n"


def _fields(model: BaseModel) -> Iterator[tuple[str, str, Any]]:
    """The fields of a model: name, description, default."""
    for name, field in type(model).model_fields.items():
        yield field.alias or name, field.description or "", getattr(model, name)


def _lines(model: BaseModel, depth: int) -> Iterator[str]:
    margin = "  " * depth
    for name, description, value in _fields(model):
        yield from textwrap.wrap(
            description, _WIDTH, initial_indent=f"{margin}# ", subsequent_indent=f"{margin}# ", break_long_words=False
        )
        if isinstance(value, BaseModel):
            yield f"{margin}{name}:"
            yield from _lines(value, depth + 1)
        else:
            yield from (f"{margin}{line}" for line in _dumped(name, value))
        if depth == 0:
            yield ""


def _dumped(name: str, value: Any) -> list[str]:
    return dump({name: value}).splitlines()


def _rows(model: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, description, value in _fields(model):
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(value, ensure_ascii=False), description.replace("|", "\\|")


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references and titles: every reader of schemas reads that."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key not in {"$ref", "default"}}
        return _inlined(definitions[node["$ref"].removeprefix("#/$defs/")] | rest, definitions)
    return {
        key: {name: _inlined(child, definitions) for name, child in value.items()}
        if key == "properties"
        else _inlined(value, definitions)
        for key, value in node.items()
        if key not in {"$defs", "title"}
    }
