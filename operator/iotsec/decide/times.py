"""Instants as the API shows them: RFC 3339 in UTC, whole seconds."""

from datetime import UTC, datetime


def rfc3339(unix: int) -> str:
    """Write unix seconds the way Kubernetes writes times, e.g. ``2026-03-01T10:00:00Z``."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> int:
    """Read an RFC 3339 time into unix seconds.

    Raises:
        ValueError: the text is no RFC 3339 time.

    """
    return int(datetime.fromisoformat(text).timestamp())
