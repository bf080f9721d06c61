"""What the pages give their readers to write: fenced blocks, as CommonMark has them, and the manifests among them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").glob("*.md"),
        *(ROOT / "charts").glob("*/README.md"),
    ]
)
_HERE_DOCUMENT = re.compile(r"^kubectl [^\n]*-f - <<'?(\w+)'?\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block on a page, or what one of its commands hands to kubectl."""

    page: Path
    line: int
    language: str
    about: str
    """What the fence says beside the language; readers do not see it."""
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def documents(self) -> list[Json]:
        """Its YAML documents."""
        return list(yaml.safe_load_all(self.text))


def fences(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    for token in MarkdownIt().parse(page.read_text()):
        if token.type == "fence":
            language, _, about = token.info.partition(" ")
            yield Block(page, (token.map or [0])[0] + 1, language, about, token.content)


def yaml_blocks(about: str | None = None) -> list[Block]:
    """The blocks of YAML on all pages, with the manifests that commands apply; or those whose fences say `about`."""
    found: list[Block] = []
    for fence in (fence for page in PAGES for fence in fences(page)):
        if fence.language == "yaml":
            found.append(fence)
        elif fence.language == "console":
            documents = _HERE_DOCUMENT.findall(fence.text)
            found += [Block(fence.page, fence.line, "yaml", "", text) for _, text in documents]
    return [block for block in found if about in (None, block.about)]
