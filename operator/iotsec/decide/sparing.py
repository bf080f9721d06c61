"""Selectors that take what another one takes, but for certain objects."""

from collections.abc import Iterable, Iterator

from iotsec.api.selectors import LabelRequirement, LabelSelector
from iotsec.decide.admission import selects

_NEGATED = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}


def sparing(selector: LabelSelector, spared: Iterable[LabelSelector]) -> tuple[LabelSelector, ...]:
    """Return selectors that together take what ``selector`` takes and none of ``spared`` does.

    A selector is an *and* of demands, so that its opposite is an *or* of their opposites: one selector for each. Where
    the two cannot meet, it is the selector itself; where nothing is left of it, there is none.
    """
    found: tuple[LabelSelector, ...] = (selector,)
    for one in spared:
        found = tuple(part for whole in found for part in _but(whole, one))
    return found


def _but(selector: LabelSelector, spared: LabelSelector) -> Iterator[LabelSelector]:
    demands = tuple(_demands(spared))
    if any(_outcomes(selector, demand) == {False} for demand in demands):
        yield selector
        return
    for demand in demands:
        if _outcomes(selector, demand) != {True}:
            opposite = demand.model_copy(update={"operator": _NEGATED[demand.operator]})
            yield selector.model_copy(update={"match_expressions": (*selector.match_expressions, opposite)})


def _outcomes(selector: LabelSelector, demand: LabelRequirement) -> set[bool]:
    """Return whether objects that a selector takes meet a demand: both where it does not say."""
    said = [own for own in _demands(selector) if own.key == demand.key and own.operator == "In"]
    if not said:
        return {True, False}
    asked = LabelSelector(match_expressions=(demand,))
    return {selects(asked, {demand.key: value}) for value in said[0].values}


def _demands(selector: LabelSelector) -> Iterator[LabelRequirement]:
    for key, value in sorted(selector.match_labels.items()):
        yield LabelRequirement(key=key, operator="In", values=(value,))
    yield from selector.match_expressions
