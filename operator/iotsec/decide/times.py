"""Instants as the API shows them, RFC 3339 in UTC, whole seconds; and how far servers may be from ours."""

from datetime import UTC, datetime
from typing import Final

CLOCK_LAG_SECONDS: Final = 300
"""Seconds by which a server's clock may be behind: it accepts an expired JWT or certificate for as long."""


def is_over(ends_at: int, now: int) -> bool:
    """Tell whether what ends by itself has ended for every server, however far its clock is behind; unix seconds."""
    return ends_at + CLOCK_LAG_SECONDS < now


def rfc3339(unix: int) -> str:
    """Write unix seconds the way Kubernetes writes times, e.g. ``2026-03-01T10:00:00Z``."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> int:
    """Read an RFC 3339 time into unix seconds.

    Raises:
        ValueError: the text is no RFC 3339 time.

    """
    return int(datetime.fromisoformat(text).timestamp())
