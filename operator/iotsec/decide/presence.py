"""Whether an identity is connected, when it was last seen and last refused; and what its status says of that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from iotsec.decide.advisories import Connection, Denied, User
from iotsec.decide.times import rfc3339, unix

FIELDS = ("connected", "lastSeen", "lastDenied")
"""The fields of an identity's status that are presence; no other part of the operator writes them."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known of one user, or of all the users that one identity is; times in unix seconds, 0 for never."""

    connections: frozenset[Connection] = frozenset()
    last_seen: int = 0
    """When it came or went last."""
    denied: Denied | None = None

    def came(self, connection: Connection, at: int) -> "Presence":
        """Take in that a connection is there since ``at``; the same one told again changes nothing."""
        return replace(self, connections=self.connections | {connection}, last_seen=max(self.last_seen, at))

    def went(self, connection: Connection, at: int = 0) -> "Presence":
        """Take in that a connection ended at ``at``; 0: nobody knows when."""
        if connection not in self.connections:
            return self
        return replace(self, connections=self.connections - {connection}, last_seen=max(self.last_seen, at))

    def refused(self, denied: Denied) -> "Presence":
        """Take in that a server refused a login."""
        return self if self.denied is not None and self.denied.at > denied.at else replace(self, denied=denied)


def together(presences: Iterable[Presence]) -> Presence:
    """Return what is known of an identity from what is known of each of its users: it may have two keys for a while."""
    whole = Presence()
    for one in presences:
        whole = Presence(
            connections=whole.connections | one.connections,
            last_seen=max(whole.last_seen, one.last_seen),
            denied=whole.denied,
        )
        if one.denied is not None:
            whole = whole.refused(one.denied)
    return whole


def is_told(status: Mapping[str, Any]) -> bool:
    """Tell whether a status says anything of presence."""
    return any(field in status for field in FIELDS)


def present_status(status: Mapping[str, Any], presence: Presence) -> dict[str, Any]:
    """Return the status with presence in it; what it says of the past is kept where nothing later is known.

    An identity that never was seen or refused has nothing said of it: a fleet costs no write each when it begins.
    """
    known = absent_status(status)
    if not is_told(status) and presence == Presence():
        return known
    known["connected"] = bool(presence.connections)
    if seen := max(presence.last_seen, _unix(status.get("lastSeen"))):
        known["lastSeen"] = rfc3339(seen)
    told = status.get("lastDenied")
    denied = presence.denied
    if denied is not None and denied.at >= _unix((told or {}).get("time")):
        known["lastDenied"] = {"time": rfc3339(denied.at), "reason": denied.reason, "from": denied.host}
    elif told:
        known["lastDenied"] = told
    return known


def absent_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status without presence."""
    return {key: value for key, value in status.items() if key not in FIELDS}


def is_of(user: User, *, account: str, status: Mapping[str, Any], created: int) -> bool:
    """Tell whether a user is an identity: by its key, or, where that was replaced since, by its id.

    ``account``: the name of the user's account; ``created``: when the object was made, in unix seconds. A JWT issued up
    to that second may be of an object before it that had its name, and is nobody's then.
    """
    if status.get("account") != account:
        return False
    if user.key and status.get("publicKey") == user.key:
        return True
    return bool(user.id) and status.get("id") == user.id and (not user.key or user.issued_at > created)


def _unix(text: Any) -> int:
    try:
        return unix(text) if text else 0
    except (ValueError, TypeError):
        return 0  # somebody else wrote it
