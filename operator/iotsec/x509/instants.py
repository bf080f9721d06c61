"""Unix seconds as X.509 has them, and back."""

from datetime import UTC, datetime


def as_instant(seconds: int) -> datetime:
    """Return the instant of unix `seconds`, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def as_seconds(instant: datetime) -> int:
    """Return the unix seconds of an instant."""
    return int(instant.timestamp())
