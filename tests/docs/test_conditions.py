"""The documentation says what the code says."""

import re
from pathlib import Path

from iotsec.decide.conditions import Reason

ROOT = Path(__file__).parents[2]


def test_every_reason_has_a_row_and_every_row_a_reason() -> None:
    page = (ROOT / "docs" / "conditions.md").read_text()
    table = page[page.index("| reason |") :]

    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert rows == {str(reason) for reason in Reason}


def test_every_page_the_readme_names_exists() -> None:
    readme = (ROOT / "README.md").read_text()

    links = re.findall(r"\]\(([^)]+)\)", readme)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
