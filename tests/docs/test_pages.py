"""What the pages name is there, and what is there is named."""

import re
from pathlib import Path

import pytest
from docs.blocks import PAGES, ROOT

SOURCE = ROOT / "operator" / "iotsec"


def anchors(page: Path) -> set[str]:
    """What a link may name within a page, as forges make it of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link]

    for link in links:
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_module_of_the_core_and_the_shell_is_found_from_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    layers = ("decide", "broker", "kube")
    there = {f"{layer}/{file.name}" for layer in layers for file in (SOURCE / layer).glob("[!_]*.py")}

    rows = re.findall(rf"^\|[^|]*\| `({'|'.join(layers)})/([^|]+)` \|", page, re.MULTILINE)

    assert {f"{layer}/{name}" for layer, names in rows for name in names.split("`, `")} == there


def test_every_environment_variable_has_a_row() -> None:
    page = (ROOT / "docs" / "operator.md").read_text()
    variables = set(re.findall(r'"(IOTSEC_\w+|POD_\w+|KUBECONFIG)"', (SOURCE / "settings.py").read_text()))

    assert variables == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))


def test_every_example_has_a_row() -> None:
    page = (ROOT / "examples" / "README.md").read_text()
    folders = {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}

    assert folders == set(re.findall(r"^\| \[[\w-]+\]\(([\w-]+)\) \|", page, re.MULTILINE))


def test_every_page_has_a_row_in_the_list_of_pages() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert pages == set(
        re.findall(r"^\| \[([\w-]+\.md)\]\(\1\) \|", (ROOT / "docs" / "README.md").read_text(), re.MULTILINE)
    )
