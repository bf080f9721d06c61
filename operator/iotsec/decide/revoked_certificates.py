"""Which certificates of a Hub ended early, as it is written down and told to those who ask.

An entry is needed until its certificate would have expired anyway. Nothing else remembers it: who deletes an identity
deletes all else that knows of its certificate.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from iotsec.decide.times import is_over
from iotsec.x509.authority import Authority
from iotsec.x509.revocation import Revoked

MAX_BYTES: Final = 1024 * 1024 - 16 * 1024
"""Bytes of the whole as JSON at most: a Secret has 1 MiB, of which something is left to whoever adds to it."""

ENTRY_BYTES: Final = 62
"""Bytes of one entry as JSON at most, with a serial of 127 bits and times of this century."""

_CERTAINLY_FIT: Final = MAX_BYTES // ENTRY_BYTES - 1_000  # so many with the names of a hundred authorities

_PRUNE_IN_BULK: Final = 500  # expired entries alone are worth a write only in such numbers


class RevokedCertificatesFullError(RuntimeError):
    """A Hub has as many certificates that ended early as can be written down."""


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A certificate that ended ``at`` a unix second, though it says ``expires_at``."""

    serial: int
    issuer: str
    """Key identifier of the authority that signed it, hex: a serial is an authority's own."""
    at: int
    expires_at: int


_Entries = Mapping[str, Mapping[int, tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class RevokedCertificates:
    """All certificates of one Hub that ended early."""

    number: int = 0
    """Grows with every change (RFC 5280 5.2.3)."""
    entries: _Entries = field(default_factory=lambda: MappingProxyType({}))
    """issuer → serial → (at, expires_at)."""
    beyond: frozenset[tuple[int, str]] = frozenset()
    """Serial and issuer of those that did not fit, in memory alone: nobody is kept waiting for them."""

    def __len__(self) -> int:
        return sum(map(len, self.entries.values()))

    def covers(self, serial: int, issuer: str) -> bool:
        """Tell whether this certificate is among them, or there was no room for it."""
        return serial in self.entries.get(issuer, ()) or (serial, issuer) in self.beyond

    def revoked_at(self, serial: int, issuer: str) -> int | None:
        """Return when this certificate ended, ``None`` where it did not."""
        entry = self.entries.get(issuer, {}).get(serial)
        return entry[0] if entry is not None else None

    def of(self, issuer: str) -> Iterator[Revoked]:
        """Return those of one authority, as its list has them."""
        return (Revoked(serial, at) for serial, (at, _) in self.entries.get(issuer, {}).items())

    def with_revoked(self, wanted: Iterable[RevokedCertificate], *, now: int) -> "RevokedCertificates":
        """Return it with these certificates in and, where it changes at all, expired ones out.

        One that is in already ended when it did, and is kept as long as any says that it is needed.

        Raises:
            RevokedCertificatesFullError: there would be more than a Secret can hold.

        """
        entries = {issuer: dict(theirs) for issuer, theirs in self.entries.items()}
        for one in wanted:
            if not is_over(one.expires_at, now):
                theirs = entries.setdefault(one.issuer, {})
                at, until = theirs.get(one.serial, (one.at, 0))
                theirs[one.serial] = (at, max(until, one.expires_at))
        if entries == self.entries:
            return self
        changed = replace(self, number=self.number + 1, entries=_kept(entries, now))
        if len(changed) > _CERTAINLY_FIT and changed.size > MAX_BYTES and len(changed) > len(self):
            raise RevokedCertificatesFullError(
                f"{len(self)} certificates of this Hub ended early, and no more can be written down: give certificates "
                "a shorter duration, or rotate the CA with retire: Immediate, which ends all others of the old one too"
            )
        return changed

    def with_those_that_fit(self, wanted: Iterable[RevokedCertificate], *, now: int) -> "RevokedCertificates":
        """Return it with as many of these in as a Secret can hold: nobody stays because somebody else cannot go."""
        new = [one for one in wanted if not self.covers(one.serial, one.issuer)]
        room = max(0, MAX_BYTES - self.pruned(now, at_least=1).size) // ENTRY_BYTES
        beyond = self.beyond | {(one.serial, one.issuer) for one in new[room:]}
        kept = self.with_revoked(new[:room], now=now)
        return kept if beyond == self.beyond else replace(kept, beyond=beyond)

    def pruned(self, now: int, *, at_least: int = _PRUNE_IN_BULK) -> "RevokedCertificates":
        """Return it without those that expired; itself where they are fewer than are worth a write."""
        kept = _kept(self.entries, now)
        if len(self) - sum(map(len, kept.values())) < at_least:
            return self
        return replace(self, number=self.number + 1, entries=kept)

    @property
    def size(self) -> int:
        """Bytes it has as JSON."""
        return len(self.to_json())

    def to_json(self) -> bytes:
        """Serialise, canonically: serials in hex, by issuer."""
        revoked = {
            issuer: {f"{serial:x}": times for serial, times in sorted(theirs.items())}
            for issuer, theirs in sorted(self.entries.items())
        }
        return json.dumps({"number": self.number, "revoked": revoked}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "RevokedCertificates":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: the text is something else.

        """
        try:
            body = json.loads(data)
            entries = {
                str(issuer): MappingProxyType(
                    {int(serial, 16): (int(at), int(expires_at)) for serial, (at, expires_at) in theirs.items()}
                )
                for issuer, theirs in body["revoked"].items()
            }
            return cls(int(body["number"]), MappingProxyType(entries))
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError("these are no revoked certificates") from error


@dataclass(frozen=True, slots=True)
class Sources:
    """What is told of one Hub's certificates: by whom they are signed, and which of them ended early."""

    authorities: tuple[Authority, ...]
    """Those whose key is at hand: former ones too, as long as certificates of theirs are about."""
    revoked: RevokedCertificates
    validity: int | None = None
    """Seconds that an answer is good for; ``None``: as long as the endpoint's are."""


def _kept(entries: _Entries, now: int) -> _Entries:
    kept = {
        issuer: MappingProxyType({serial: times for serial, times in theirs.items() if not is_over(times[1], now)})
        for issuer, theirs in entries.items()
    }
    return MappingProxyType({issuer: theirs for issuer, theirs in kept.items() if theirs})
