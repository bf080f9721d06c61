"""Generic claims: data of any shape under a NATS signature (jwt v2 genericlaims.go)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.wire import InvalidClaims, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPE = "generic"
_TYPED = ("operator", "account", "user", "activation")
# Go reads numbers of generic claims as float64, which holds whole numbers exactly up to here.
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class GenericClaims:
    """The body of a JWT of no other type, as JSON values; `data["type"]` is its type, `generic` where absent.

    Made to be signed as audit trails are: numbers are whole and at most 2**53, so that every reader sees the same.
    """

    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = {name: _sorted(self.data[name]) for name in sorted(self.data) if name != "version"}
        if data.get("type") == _TYPE:
            del data["type"]
        normalise(self, data=data)

    def to_json(self) -> dict[str, Any]:
        """The `nats` object, keys sorted at every depth; raises `InvalidClaims`."""
        if self.data.get("type") in _TYPED:
            raise InvalidClaims("generic claims cannot be of the type of others: use the class of that type")
        _check_exact(self.data)
        body = {"type": _TYPE, **self.data, "version": 2}
        return {name: body[name] for name in sorted(body)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> GenericClaims:
        """Takes the `nats` object as it is."""
        return cls(data=body)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _check_exact(value: Any) -> None:
    if isinstance(value, dict):
        for entry in value.values():
            _check_exact(entry)
    elif isinstance(value, list):
        for entry in value:
            _check_exact(entry)
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) > _EXACT):
        raise InvalidClaims("generic claims hold whole numbers up to 2**53: write any other number as a string")
