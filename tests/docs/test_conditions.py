"""Every condition and reason is explained to the user."""

import re
from pathlib import Path

from iotsec.decide import conditions
from iotsec.decide.conditions import Reason

ROOT = Path(__file__).parents[2]


def rows(heading: str) -> set[str]:
    """What the rows are about of the table that begins so."""
    page = (ROOT / "docs" / "conditions.md").read_text()
    table, _, _ = page[page.index(heading) :].partition("\n\n")
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_every_reason_has_a_row_and_every_row_a_reason() -> None:
    assert rows("| reason |") == {str(reason) for reason in Reason}


def test_every_type_of_condition_has_a_row() -> None:
    named = {value for name, value in vars(conditions).items() if name.isupper() and not name.startswith("_")}
    types = {value for value in named if isinstance(value, str)}

    assert rows("| type |") == types
