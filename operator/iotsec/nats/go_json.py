"""JSON as Go's `encoding/json` writes it, byte for byte: what jwt v2 hashes and signs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

# Go escapes these for the sake of HTML and JavaScript; the text stands in strings only, so replacing bytes is safe.
_ESCAPES: Final = {
    b"<": rb"\u003c",
    b">": rb"\u003e",
    b"&": rb"\u0026",
    "\u2028".encode(): rb"\u2028",
    "\u2029".encode(): rb"\u2029",
}
_ESCAPED: Final = re.compile(b"|".join(_ESCAPES))


def go_json(value: Mapping[str, Any]) -> bytes:
    """`value` in the key order it has, without spaces, with Go's escapes.

    Raises `TypeError` for what JSON cannot hold (orjson's errors are of that type).
    """
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], orjson.dumps(value))
