"""The base of every model, and how an API object becomes one."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from iotsec.api.constraints import RULES, Node, Rule


class SpecError(ValueError):
    """An object that is not what its kind demands; ``str()`` is one line that says where and what to write instead.

    ``path`` is the first offending field, such as ``spec.permissions.publish.allow[0]``.
    """

    def __init__(self, path: str, message: str, *, others: int = 0) -> None:
        self.path = path
        self.message = message
        more = f" (and {others} more)" if others else ""
        super().__init__(f"{path}: {message}{more}" if path else f"{message}{more}")


class Model(BaseModel):
    """A frozen value with the API's camelCase names.

    Fields this release does not know are ignored: the API server has pruned or refused them, and an object written for
    a newer release must still be readable.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    cel_rules: ClassVar[tuple[Rule, ...]] = ()
    atomic: ClassVar[bool] = False  # server-side apply treats the object as one value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Node:
        """The schema of the model with its CEL rules."""
        node = handler.resolve_ref_schema(handler(schema))
        if cls.cel_rules:
            node[RULES] = [rule.node() for rule in cls.cel_rules]
        if cls.atomic:
            node["x-kubernetes-map-type"] = "atomic"
        return node

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """The model of a JSON object with the API's names.

        Raises:
            SpecError: the object breaks the schema or one of its rules.

        """
        try:
            return cls.model_validate(value if isinstance(value, dict) else dict(value), by_alias=True, by_name=False)
        except ValidationError as error:
            raise _spec_error(error) from None

    def to_json(self) -> Node:
        """The JSON object with the API's names; what equals its default is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _spec_error(error: ValidationError) -> SpecError:
    found = error.errors(include_url=False, include_input=False)
    # A list with a wrong item is called too short as well: what is wrong within counts.
    details = [one for one in found if not any(_is_within(other["loc"], one["loc"]) for other in found)]
    first = details[0]
    message = first["msg"].removeprefix("Value error, ")
    return SpecError(_path(first["loc"]), message, others=len(details) - 1)


def _is_within(inner: Sequence[str | int], outer: Sequence[str | int]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _path(location: Sequence[str | int]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")
