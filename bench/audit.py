"""Reads the writes of a program from the API server's audit log."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

OPERATOR = "iotsec/"
"""What the operator's User-Agent begins with."""

_WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True, slots=True)
class Write:
    """One request that may change something."""

    verb: str
    resource: str
    """With its subresource, such as `devices/status`."""
    name: str
    """Of the object; empty where the API server does not tell."""
    received_at: float
    """When the API server received it, in unix seconds."""

    @property
    def what(self) -> str:
        """Verb and resource, such as `create secrets`."""
        return f"{self.verb} {self.resource}"


class AuditLog:
    """The audit log from one moment on. Each request is one line, written before its answer is sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = path.stat().st_size

    def each_write(self, agent: str = OPERATOR) -> list[Write]:
        """List who's writes there were."""
        with self._path.open("rb") as log:
            log.seek(self._start)
            return list(writes_in(log.read(), agent))

    def writes(self, agent: str = OPERATOR) -> Counter[str]:
        """Count who's writes there were, by verb and resource, such as `create secrets` or `patch devices/status`."""
        return Counter(write.what for write in self.each_write(agent))


def writes_in(lines: bytes, agent: str) -> Iterator[Write]:
    """Yield the writes of those whose User-Agent begins so; the last line may be half written."""
    for line in lines.splitlines(keepends=True):
        if agent.encode() not in line or not line.endswith(b"\n"):
            continue
        event = orjson.loads(line)
        if event["stage"] != "ResponseComplete" or event["verb"] not in _WRITES:
            continue
        if not event.get("userAgent", "").startswith(agent):
            continue
        target = event.get("objectRef") or {}
        yield Write(
            verb=event["verb"],
            resource="/".join(part for part in (target.get("resource"), target.get("subresource")) if part),
            name=target.get("name", ""),
            received_at=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        )
