"""Counts the writes of a program in the API server's audit log."""

from collections import Counter
from pathlib import Path

import orjson

OPERATOR = "iotsec/"
"""What the operator's User-Agent begins with."""

_WRITES = {"create", "update", "patch", "delete", "deletecollection"}


class AuditLog:
    """The audit log from one moment on. Each request is one line, written before its answer is sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = path.stat().st_size

    def writes(self, agent: str = OPERATOR) -> Counter[str]:
        """Count who's writes there were, by verb and resource, such as `create secrets` or `patch devices/status`."""
        with self._path.open("rb") as log:
            log.seek(self._start)
            return count_writes(log.read(), agent)


def count_writes(lines: bytes, agent: str) -> Counter[str]:
    """Count the writes of those whose User-Agent begins so; the last line may be half written."""
    found: Counter[str] = Counter()
    for line in lines.splitlines(keepends=True):
        if agent.encode() not in line or not line.endswith(b"\n"):
            continue
        event = orjson.loads(line)
        if event["stage"] != "ResponseComplete" or event["verb"] not in _WRITES:
            continue
        if not event.get("userAgent", "").startswith(agent):
            continue
        target = event.get("objectRef") or {}
        resource = "/".join(part for part in (target.get("resource"), target.get("subresource")) if part)
        found[f"{event['verb']} {resource}"] += 1
    return found
