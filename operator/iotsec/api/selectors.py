"""Objects and namespaces chosen by their labels, as Kubernetes does."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from iotsec.api.constraints import Entries, Items, Rule, Text
from iotsec.api.meta import SUBDOMAIN
from iotsec.api.model import Model

LABEL_NAME = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY = f"{SUBDOMAIN.replace('^', '^(').replace('$', '/)?')}{LABEL_NAME}$"
_LABEL_VALUE = Annotated[
    str,
    Text(
        63,
        f"^({LABEL_NAME})?$",
        "write a label value: at most 63 letters, digits, dashes, underscores and dots",
    ),
]


class LabelRequirement(Model):
    """One demand on a label."""

    cel_rules = (
        Rule(
            "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values)",
            "In and NotIn take values, Exists and DoesNotExist take none",
            path=".values",
        ),
    )

    key: Annotated[str, Text(317, LABEL_KEY, "write a label key, such as team or example.com/team")] = Field(
        description="Key of the label."
    )
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="What is asked of its value.")
    values: Annotated[tuple[_LABEL_VALUE, ...], Items(16)] = Field(default=(), description="The values meant.")

    @model_validator(mode="after")
    def _has_values_where_needed(self) -> "LabelRequirement":
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            raise ValueError("In and NotIn take values, Exists and DoesNotExist take none")
        return self


class LabelSelector(Model):
    """Objects by their labels; all demands must be met, and an empty selector takes every object."""

    atomic = True

    match_labels: Annotated[
        dict[str, _LABEL_VALUE],
        Entries(16, LABEL_KEY, "write keys as name or prefix/name, such as team or example.com/team"),
    ] = Field(default_factory=dict, description="Labels that must be there with these values.")
    match_expressions: Annotated[tuple[LabelRequirement, ...], Items(16)] = Field(
        default=(), description="What else is asked of labels."
    )


_SELECTOR = "write a selector where from is Selector, and only there"


class Namespaces(Model):
    """A choice of namespaces."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.selector) == (has(self.from) && self.from == 'Selector')",
            _SELECTOR,
            path=".selector",
        ),
    )

    from_: Literal["Same", "All", "Selector"] = Field(
        default="Same",
        alias="from",
        description="Same: the Hub's own namespace, the default; All: every namespace; Selector: by their labels.",
    )
    selector: LabelSelector | None = Field(default=None, description="Labels of the namespaces meant.")

    @model_validator(mode="after")
    def _selects_where_it_says_so(self) -> "Namespaces":
        if (self.from_ == "Selector") != (self.selector is not None):
            raise ValueError(_SELECTOR)
        return self
