"""A certificate of somebody else, and what the status of whoever shows it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iotsec.decide.times import rfc3339, unix

FIELD = "foreignCertificate"
"""The field of an identity's status that tells of it."""

_LAST_SEEN_SECONDS = 3600  # a status is not written every time that it is seen again


@dataclass(frozen=True, slots=True)
class Foreign:
    """A certificate that is not of who presents it."""

    subject: str
    digest: str
    owner: str
    """Whose it is, by `Holder.name`; empty: of nobody who is known."""


def told(status: Mapping[str, Any], foreign: Sequence[Foreign], now: int) -> dict[str, Any] | None:
    """Return what a status says in `FIELD`; ``None`` where there never was any.

    What was seen last stays told when it is seen no more.
    """
    known: dict[str, Any] | None = status.get(FIELD)
    if not foreign:
        return known
    first = _most_telling(foreign)
    news = {"subject": first.subject, "lastSeen": rfc3339(now)} | ({"owner": first.owner} if first.owner else {})
    same = known is not None and {**known, "lastSeen": ""} == {**news, "lastSeen": ""}
    return known if same and now - _seen(known) < _LAST_SEEN_SECONDS else news


def _most_telling(foreign: Sequence[Foreign]) -> Foreign:
    return min(foreign, key=lambda one: (not one.owner, one.digest))


def _seen(known: Mapping[str, Any] | None) -> int:
    try:
        return unix((known or {})["lastSeen"])
    except (KeyError, ValueError, TypeError):
        return 0  # somebody else wrote it


def message(foreign: Sequence[Foreign]) -> str:
    """Say in words for a condition what is presented, and what to do."""
    first = _most_telling(foreign)
    whose = f"the certificate of {first.owner}" if first.owner else f"a certificate of nobody known ({first.subject})"
    more = f", and {len(foreign) - 1} more" if len(foreign) > 1 else ""
    return (
        f"it is connected with {whose}{more}: find out who has the key of which, and rotate both credentials "
        "with the annotation iotsec.dev/rotate"
    )
