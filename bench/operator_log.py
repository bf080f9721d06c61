"""Reads what the operator's log tells of its deeds."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson


class OperatorLog:
    """The log from one moment on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = path.stat().st_size if path.exists() else 0

    def lines(self, event: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of one event."""
        with self._path.open("rb") as log:
            log.seek(self._start)
            yield from lines_of(log.read(), event)

    def started_at(self) -> float:
        """When the operator knew everything there was and began to work on it, in unix seconds.

        Raises:
            LookupError: it did not say so.

        """
        for line in self.lines("started"):
            return datetime.fromisoformat(line["timestamp"]).timestamp()
        raise LookupError("the operator's log has no line `started`")

    def tail(self, lines: int = 15) -> str:
        """The last lines of all."""
        return "\n".join(self._path.read_text(errors="replace").splitlines()[-lines:]) if self._path.exists() else ""


def lines_of(text: bytes, event: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines that tell of an event; others, a traceback for instance, are passed over."""
    for line in text.splitlines():
        if event.encode() not in line:
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict) and value.get("event") == event:
            yield value
