"""Constraints that are written once and hold twice: in the CRD's schema and when an object is parsed.

Each class goes into an ``Annotated[...]`` of a model field. It adds its limits and CEL rules to the JSON schema, and
the same check to the model, so that an object that never passed the API server (a file, an older CRD) is held to them.

Patterns are read by Go, by Python and by JSON-schema tools, and pass through GitOps templating: write a dot as ``[.]``
and use no backslash. CEL puts them in single quotes: use no single quote.
"""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_snake
from pydantic_core import CoreSchema, core_schema

Node = dict[str, Any]
RULES = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule of a schema node.

    ``path`` moves the error to a field below the node; ``reason`` is one of the API server's, ``FieldValueInvalid`` by
    default.
    """

    cel: str
    message: str
    path: str = ""
    reason: str = ""

    def node(self) -> Node:
        """The rule as an entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.cel, "message": self.message, "fieldPath": self.path, "reason": self.reason}
        return {key: value for key, value in entry.items() if value}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A text that fits the pattern and is refused all the same where ``pattern`` is found in it."""

    pattern: str
    message: str


@dataclass(frozen=True, slots=True)
class Text:
    """A bounded string, with a pattern whose refusal says what to write instead.

    The schema has the pattern for tools that know no CEL, and a CEL rule for the message (``checked="both"``). The API
    server prints a pattern beside the message: one too long to read is in the rule only (``"rule"``). It prints the
    value as well, and GitOps tools pass that on to chat rooms: where a secret may be pasted by mistake the rule stands
    on the object around it (``"around"``), in the ``cel_rules`` of that model.
    """

    max_length: int
    pattern: str = ""
    message: str = ""
    never: tuple[Refusal, ...] = ()
    checked: Literal["both", "rule", "around"] = "both"

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """The check at parse time; raises ``ValueError`` with the message of what is broken."""
        text = core_schema.str_schema(max_length=self.max_length, strict=True)
        return core_schema.no_info_after_validator_function(self._checker(), text) if self.pattern else text

    def _checker(self) -> Callable[[str], str]:
        fits = re.compile(self.pattern).fullmatch  # not match: Python's $ lets a trailing newline pass
        never = [(re.compile(refusal.pattern).search, refusal.message) for refusal in self.never]

        def check(text: str) -> str:
            for found, message in never:
                if found(text):
                    raise ValueError(message)
            if not fits(text):
                raise ValueError(self.message or f"is not of the form {self.pattern}")
            return text

        return check

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Node:
        """The limits, the pattern and one CEL rule for each message."""
        node = handler(schema) | {"maxLength": self.max_length}
        if self.checked == "around":
            return node
        rules = [Rule(f"!self.matches('{refusal.pattern}')", refusal.message) for refusal in self.never]
        if self.pattern and self.checked == "both":
            node["pattern"] = self.pattern
        if self.message:
            rules.append(Rule(f"self.matches('{self.pattern}')", self.message))
        return node | ({RULES: [rule.node() for rule in rules]} if rules else {})


@dataclass(frozen=True, slots=True)
class Items:
    """A bounded list, a tuple in the model: ``atomic``, a ``set``, or a ``map`` by the items' field ``key``."""

    max_items: int
    min_items: int = 0
    kind: str = "atomic"
    key: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A tuple from any JSON array; sets and maps refuse a repeated item with ``ValueError``."""
        items = cast("core_schema.TupleSchema", handler(source))
        items |= {"strict": False, "max_length": self.max_items, "min_length": self.min_items}
        if self.kind == "atomic":
            return items
        return core_schema.no_info_after_validator_function(self._refuse_repeats, items)

    def _refuse_repeats(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: set[Hashable] = set()
        for item in items:
            value = getattr(item, to_snake(self.key)) if self.key else item
            if value in seen:
                raise ValueError(f"{value} is there twice: keep one")
            seen.add(value)
        return items

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Node:
        """The limits and how server-side apply merges the list."""
        node = handler(schema) | {"maxItems": self.max_items, "x-kubernetes-list-type": self.kind}
        if not self.min_items:
            node.pop("minItems", None)
        return node | ({"x-kubernetes-list-map-keys": [self.key]} if self.key else {})


@dataclass(frozen=True, slots=True)
class Entries:
    """A bounded map from string to string whose keys are checked by patterns; its values are typed by the model.

    ``keys`` is the pattern of every key, with its message; a key in which a pattern of ``never`` is found is refused.
    """

    max_entries: int
    keys: str
    message: str
    never: tuple[Refusal, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The check at parse time; raises ``ValueError`` with the message of the first broken key."""
        entries = cast("core_schema.DictSchema", handler(source))
        entries |= {"max_length": self.max_entries}
        return core_schema.no_info_after_validator_function(self._checker(), entries)

    def _checker(self) -> Callable[[dict[str, str]], dict[str, str]]:
        fits = re.compile(self.keys).fullmatch
        never = [(re.compile(refusal.pattern).search, refusal.message) for refusal in self.never]

        def check(entries: dict[str, str]) -> dict[str, str]:
            for key in entries:
                if not fits(key):
                    raise ValueError(self.message)
                for found, message in never:
                    if found(key):
                        raise ValueError(message)
            return entries

        return check

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Node:
        """The limit and one CEL rule for each message; JSON schema's own key patterns are not known to Kubernetes."""
        rules = [Rule(f"self.all(key, !key.matches('{refusal.pattern}'))", refusal.message) for refusal in self.never]
        rules.append(Rule(f"self.all(key, key.matches('{self.keys}'))", self.message))
        return handler(schema) | {"maxProperties": self.max_entries, RULES: [rule.node() for rule in rules]}
