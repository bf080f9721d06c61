"""Durations as Kubernetes users write them: ``720h``, ``30m``, ``1h30m``, ``90s``; a ``timedelta`` in the models."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema, core_schema

from iotsec.api.constraints import RULES, Node, Rule

# The digits are bounded so that no three parts overflow the 292 years CEL can hold.
PATTERN = "^([0-9]{1,5}h|[0-9]{1,7}m|[0-9]{1,9}s){1,3}$"
SHORTEST = timedelta(seconds=10)
SHORTEST_ANSWER = timedelta(seconds=1)
LONGEST = timedelta(hours=87600)

_UNITS = {"h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
_fits = re.compile(PATTERN).fullmatch
_parts = re.compile("([0-9]+)([hms])").findall


def parse_duration(text: str, *, shortest: timedelta = SHORTEST) -> timedelta:
    """The duration that ``text`` says.

    Raises:
        ValueError: it is not a duration from ``shortest`` to ten years in h, m and s.

    """
    if _fits(text):
        duration = sum((int(count) * _UNITS[unit] for count, unit in _parts(text)), start=timedelta())
        if shortest <= duration <= LONGEST:
            return duration
    raise ValueError(_message(shortest))


def _message(shortest: timedelta) -> str:
    bounds = f"from {format_duration(shortest)} to {format_duration(LONGEST)}"
    return f"write a duration {bounds} in hours, minutes and seconds, for example 720h, 1h30m or 90s"


def format_duration(duration: timedelta) -> str:
    """The shortest way to write a duration of whole seconds: ``1h30m``; ``0s`` for none."""
    seconds = int(duration.total_seconds())
    counts = {"h": seconds // 3600, "m": seconds // 60 % 60, "s": seconds % 60}
    return "".join(f"{count}{unit}" for unit, count in counts.items() if count) or "0s"


def shorter(left: str, right: str) -> str:
    """CEL that is true where the duration ``left`` is the shorter one, or one of the two is no duration at all.

    Both are fields or quoted texts. A malformed field is refused by its own rule; an error of evaluation would hide it.
    """
    malformed = [f"!{text}.matches('{PATTERN}')" for text in (left, right) if not text.startswith("'")]
    return " || ".join([*malformed, f"duration({left}) < duration({right})"])


@dataclass(frozen=True, slots=True)
class _DurationText:
    """Turns the field's text into a ``timedelta``; takes a ``timedelta`` as it is, from code."""

    shortest: timedelta = SHORTEST

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._to_timedelta, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> Node:
        bounds = (format_duration(self.shortest), format_duration(LONGEST))
        in_range = "duration(self) >= duration('{}') && duration(self) <= duration('{}')".format(*bounds)
        rule = Rule(f"self.matches('{PATTERN}') && {in_range}", _message(self.shortest))
        return {"type": "string", "maxLength": 32, "pattern": PATTERN, RULES: [rule.node()]}

    def _to_timedelta(self, value: Any) -> Any:
        return parse_duration(value, shortest=self.shortest) if isinstance(value, str) else value


Duration = Annotated[timedelta, _DurationText(), PlainSerializer(format_duration, when_used="json")]

AnswerTime = Annotated[timedelta, _DurationText(SHORTEST_ANSWER), PlainSerializer(format_duration, when_used="json")]
"""How long somebody waits for an answer: from one second."""
