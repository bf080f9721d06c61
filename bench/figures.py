"""A figure, and the line of JSON it is printed as."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be; it is reported, never enforced: machines differ."""

    bound: Literal["at least", "at most"]
    value: float

    def is_met(self, value: float) -> bool:
        """Tell whether a value is as good as wanted."""
        return value >= self.value if self.bound == "at least" else value <= self.value


def at_least(value: float) -> Goal:
    """The goal of a figure that should be large."""
    return Goal("at least", value)


def at_most(value: float) -> Goal:
    """The goal of a figure that should be small."""
    return Goal("at most", value)


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured."""

    name: str
    value: float
    unit: str
    devices: int
    """How many Devices it was measured with."""
    goal: Goal | None = None
    baseline: Mapping[str, Any] | None = None
    """What the value is compared with or was made of."""

    def line(self) -> str:
        """One line of JSON."""
        value: dict[str, Any] = {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "devices": self.devices,
        }
        if self.goal is not None:
            value["goal"] = {self.goal.bound: self.goal.value, "met": self.goal.is_met(self.value)}
        if self.baseline is not None:
            value["baseline"] = _rounded(dict(self.baseline))
        return orjson.dumps(value).decode()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return value
