"""What an account has revoked: key → the instant up to which its JWTs are dead, and until when that must be said.

A revocation says *every JWT of this key issued at or before* ``at`` *is refused* (jwt v2 ``account_claims.go``). It can
be forgotten once everything it covers has expired (``until``). The ledger and the ``iat`` of the account JWT are all of
an account's state that cannot be computed again, so they are written down before anything is pushed.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from iotsec.decide.adoption import AdoptedAccount
from iotsec.decide.times import is_over
from iotsec.nats.keys import KeyType

# 94 bytes each in the account JWT, whose ceiling is 1 MiB (jwt v2 decoder.go, MaxTokenSize).
MAX_REVOCATIONS = 10_500

NEAR_LIMIT = MAX_REVOCATIONS * 4 // 5

_PRUNE_IN_BULK = 500  # expired entries alone are worth a push only in such numbers

FOREVER = 253_402_300_799
"""The unix second, at the end of the year 9999, up to which must be said what an unexpiring JWT is kept out by."""

EVERYBODY = "*"
"""The key of the entry that is about every user (jwt v2 ``account_claims.go``, ``RevocationList``)."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Every JWT of ``key`` in ``account`` issued at or before ``at`` is refused; the last of them ends at ``until``."""

    account: str
    key: str
    at: int
    until: int


class LedgerFullError(RuntimeError):
    """An account holds as many revocations as its JWT can carry."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The revocations of one account and the last ``iat`` it was issued with; all times in unix seconds."""

    issued_at: int = 0
    digest: str = ""
    """Digest of the claims that ``issued_at`` stands for: other claims need another ``iat``."""
    entries: Mapping[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    """key → (at, until)."""
    roles: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What each role granted when ``issued_at`` was issued, as JSON: one that leaves the spec while in use goes on."""

    adopted: AdoptedAccount | None = None
    """What the account says that is not by us, where it was there before us."""

    def covers(self, revocation: Revocation) -> bool:
        """Tell whether this revocation, or a later and longer one of the same key or of everybody, is in."""
        found = (self.entries.get(key) for key in (revocation.key, EVERYBODY))
        return any(e is not None and e[0] >= revocation.at and e[1] >= revocation.until for e in found)

    def revoked_at(self, key: str) -> int:
        """Return the instant up to which the key's JWTs are dead, 0 where none is."""
        theirs = self.adopted.revocations if self.adopted is not None else {}
        return max(max(self.entries.get(entry, (0, 0))[0], theirs.get(entry, 0)) for entry in (key, EVERYBODY))

    def revocations(self) -> dict[str, int]:
        """Return what the account JWT says of it: key → the instant up to which its JWTs are dead."""
        found = dict(self.adopted.revocations) if self.adopted is not None else {}
        found.update({key: max(at, found.get(key, 0)) for key, (at, _) in self.entries.items()})
        return found

    @property
    def carried(self) -> int:
        """How many revocations its JWT carries at most: ours, and those of others in an adopted account."""
        return len(self.entries) + (len(self.adopted.revocations) if self.adopted is not None else 0)

    def with_taken_in(self, wanted: Iterable[Revocation]) -> "Ledger":
        """Return the ledger with these revocations in, each key's as late and as long as any; nothing is dropped."""
        entries = dict(self.entries)
        for revocation in wanted:
            at, until = entries.get(revocation.key, (0, 0))
            entries[revocation.key] = (max(at, revocation.at), max(until, revocation.until))
        return self if entries == self.entries else replace(self, entries=MappingProxyType(entries))

    def to_json(self) -> bytes:
        """Serialise, canonically."""
        body = {"issuedAt": self.issued_at, "digest": self.digest, "revocations": self.entries, "roles": self.roles}
        if self.adopted is not None:
            body["adopted"] = self.adopted.to_json()
        return json.dumps(body, sort_keys=True, separators=(",", ":"), default=dict).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Ledger":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: the text is something else.

        """
        try:
            body = json.loads(data)
            entries = {str(k): (int(at), int(until)) for k, (at, until) in body["revocations"].items()}
            return cls(
                int(body["issuedAt"]),
                str(body["digest"]),
                MappingProxyType(entries),
                MappingProxyType(dict(body.get("roles", {}))),
                AdoptedAccount.from_json(body["adopted"]) if "adopted" in body else None,
            )
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError("this is no revocation ledger") from error


def with_revocations(ledger: Ledger, wanted: Iterable[Revocation], *, now: int) -> Ledger:
    """Return the ledger with these revocations in and, where it changes at all, expired ones out.

    Raises:
        LedgerFullError: there would be more than an account JWT can carry.

    """
    entries = dict(ledger.with_taken_in(r for r in wanted if not is_over(r.until, now)).entries)
    expired = [key for key, (_, until) in entries.items() if is_over(until, now)]
    if entries == ledger.entries and len(expired) < _PRUNE_IN_BULK:
        return ledger
    for key in expired:
        del entries[key]
    theirs = ledger.carried - len(ledger.entries)
    if len(entries) + theirs > MAX_REVOCATIONS and len(entries) > len(ledger.entries):
        raise LedgerFullError(
            f"the account already revokes {ledger.carried} keys and its JWT can carry no more: "
            "give JWTs a shorter duration, or spread the fleet over several accounts"
        )
    return replace(ledger, entries=MappingProxyType(entries))


def with_those_that_fit(ledger: Ledger, wanted: Iterable[Revocation], *, now: int) -> Ledger:
    """Return the ledger with as many of these revocations in as an account JWT can carry.

    Nobody stays connected because somebody else cannot be cut off; of a key that is in already all are taken in.
    """
    asked = tuple(wanted)
    known = [r for r in asked if r.key in ledger.entries]
    new = [r for r in asked if r.key not in ledger.entries]
    return with_revocations(ledger, [*known, *new[: max(0, MAX_REVOCATIONS - ledger.carried)]], now=now)


def merged_with_server(
    ledger: Ledger, *, server_issued_at: int, revocations: Mapping[str, int], until: int, oldest: int | None
) -> Ledger:
    """Take over what a newer JWT of ours on a server revokes: a lost ledger must never revive a credential.

    What it says of everybody counts up to ``oldest``, when the oldest JWT was issued that must go on working: beyond,
    it is not by us. Where that is not known it counts as it is, and who should work is issued another JWT.
    """
    if server_issued_at <= ledger.issued_at:
        return ledger
    entries = dict(ledger.entries)
    for key, revoked_at in revocations.items():
        known_at, known_until = entries.get(key, (0, 0))
        at = revoked_at if key != EVERYBODY else min(revoked_at, oldest - 1 if oldest is not None else revoked_at)
        if (key.startswith(KeyType.USER) or key == EVERYBODY) and at > known_at:
            entries[key] = (at, max(known_until, until))
    # The digest no longer stands: the next issue gets an iat above the server's.
    return replace(ledger, issued_at=server_issued_at, digest="", entries=MappingProxyType(entries))
