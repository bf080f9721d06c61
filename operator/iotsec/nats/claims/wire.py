"""Reading and writing the JSON of claims: Go leaves out what is empty, and a reader trusts nothing it reads.

Lists are kept sorted and without duplicates from construction on: equal claims are equal values and equal bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMES = {str: "a string", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


class InvalidClaims(ValueError):  # noqa: N818 - named for the value it is about, as its siblings are
    """Claims that servers would refuse or take for others. The message names the field, never what it holds."""


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` without the empty ones, as Go's `omitempty` leaves them out; tuples become the lists JSON has."""
    return {name: list(value) if type(value) is tuple else value for name, value in fields.items() if value}


def distinct(values: Iterable[str]) -> tuple[str, ...]:
    """`values` sorted, each once."""
    found = tuple(values)
    return found if len(found) < 2 else tuple(sorted(set(found)))  # noqa: PLR2004 - nothing to sort below two


def normalise(instance: object, **fields: object) -> None:
    """Sets fields of a frozen dataclass to their canonical form, from its `__post_init__`."""
    for name, value in fields.items():
        object.__setattr__(instance, name, value)


def text(body: Mapping[str, Any], field: str) -> str:
    """The string in `field`, empty where it is absent; raises `InvalidClaims` for any other type."""
    return cast("str", _typed(body, field, str) or "")


def number(body: Mapping[str, Any], field: str, absent: int = 0) -> int:
    """The whole number in `field`, `absent` where there is none; raises `InvalidClaims` for any other type."""
    found = _typed(body, field, int)
    return absent if found is None else cast("int", found)


def flag(body: Mapping[str, Any], field: str) -> bool:
    """The truth value in `field`, false where it is absent; raises `InvalidClaims` for any other type."""
    return bool(_typed(body, field, bool))


def record(body: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The object in `field`, empty where it is absent; raises `InvalidClaims` for any other type."""
    return cast("dict[str, Any]", _typed(body, field, dict) or {})


def records(body: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """The objects listed in `field`, none where it is absent; raises `InvalidClaims` for any other type."""
    return cast("list[dict[str, Any]]", _listed(body, field, dict))


def texts(body: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """The strings listed in `field`, none where it is absent; raises `InvalidClaims` for any other type."""
    return tuple(cast("list[str]", _listed(body, field, str)))


def times_by_key(body: Mapping[str, Any], field: str) -> dict[str, int]:
    """The object of whole numbers in `field`, as revocations are; raises `InvalidClaims` for any other type."""
    found = record(body, field)
    if not all(_is(value, int) for value in found.values()):
        raise InvalidClaims(f"{field} must hold whole numbers only")
    return found


def _listed(body: Mapping[str, Any], field: str, kind: type) -> list[object]:
    found = cast("list[object]", _typed(body, field, list) or [])
    if not all(_is(value, kind) for value in found):
        raise InvalidClaims(f"every entry of {field} must be {_NAMES[kind]}")
    return found


def _typed(body: Mapping[str, Any], field: str, kind: type) -> object | None:
    found: object | None = body.get(field)
    if found is not None and not _is(found, kind):
        raise InvalidClaims(f"{field} must be {_NAMES[kind]}")
    return found


def _is(value: object, kind: type) -> bool:
    # bool is a subclass of int, and a limit of `true` is no number.
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
