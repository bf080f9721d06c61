"""How messages name many things: the first few, and how many there are beside them."""

from collections.abc import Sequence


def some_of(names: Sequence[str], at_most: int = 5) -> str:
    """Return the names, and of more than ``at_most`` the first ones: ``a, b and 3 more``."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
