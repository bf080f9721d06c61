"""Sizes as Kubernetes users write them: ``512``, ``64Ki``, ``10Gi``; bytes in the models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema, core_schema

from iotsec.api.constraints import RULES, Node, Rule

# So many digits that the largest size stays below the 63 bits that limits have on the wire.
PATTERN = "^([1-9][0-9]{0,8}(k|Ki|M|Mi|G|Gi)?|[1-9][0-9]{0,5}(T|Ti))$"
MESSAGE = "write a size of at least 1 byte, for example 64Ki, 512Mi or 10Gi"

_UNITS: Mapping[str, int] = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T"), start=1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate(("K", "M", "G", "T"), start=1)},
}
_fits = re.compile(PATTERN).fullmatch
_parts = re.compile("([0-9]+)([A-Za-z]*)").fullmatch


def parse_quantity(text: str) -> int:
    """The bytes that ``text`` says.

    Raises:
        ValueError: it is no size.

    """
    parts = _parts(text)
    if not _fits(text) or parts is None:
        raise ValueError(MESSAGE)
    return int(parts[1]) * _UNITS[parts[2]]


def format_quantity(size: int) -> str:
    """A size in the largest unit that divides it: ``64Ki``, which has no more digits than any text it was read from."""
    unit, divisor = max(
        ((unit, factor) for unit, factor in _UNITS.items() if not size % factor), key=lambda entry: entry[1]
    )
    return f"{size // divisor}{unit}"


@dataclass(frozen=True, slots=True)
class _QuantityText:
    """Turns the field's text into bytes; takes bytes as they are, from code."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_to_bytes, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> Node:
        rule = Rule(f"self.matches('{PATTERN}')", MESSAGE)
        return {"type": "string", "maxLength": 16, "pattern": PATTERN, RULES: [rule.node()]}


def _to_bytes(value: Any) -> Any:
    return parse_quantity(value) if isinstance(value, str) else value


Quantity = Annotated[int, _QuantityText(), PlainSerializer(format_quantity, when_used="json")]
