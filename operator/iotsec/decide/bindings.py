"""Whether those who are connected present their own certificates.

A server that verifies clients checks the certificate at the handshake and the JWT afterwards, each by itself: with the
certificate of one identity and the JWT of another everybody is let in. What was presented is told by CONNZ
(nats-server's ``monitor.go``, ``TLSPeerCert``), for clients of NATS, MQTT and WebSocket alike.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from iotsec.decide.advisories import Issuers, User, users_listed
from iotsec.decide.foreign_certificate import Foreign
from iotsec.decide.times import unix

_SUBJECT_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate that was presented by whoever logged in as a user."""

    user: User
    digest: str
    """SHA-256 of its SubjectPublicKeyInfo, hex."""
    subject: str
    """Its subject, as Go writes it (RFC 2253)."""
    at: int
    """When the connection began, unix seconds."""


@dataclass(frozen=True, slots=True)
class ShownPage:
    """What was presented on one page of the connections of an account."""

    shown: tuple[Shown, ...]
    known: frozenset[int]
    total: int


@dataclass(frozen=True, slots=True)
class Holder:
    """An identity, and the certificates that are its own."""

    name: str
    """What a status calls it, such as ``Device iot/weather-01``."""
    account: str
    """Public key of its account."""
    keys: tuple[str, ...]
    """Its user public keys: the current one, and former ones that overlap."""
    id: str
    created: int
    """When the object was made, unix seconds: an older JWT with its id is of one before it that had its name."""
    digests: tuple[str, ...]
    """SHA-256 of the SubjectPublicKeyInfo of its certificates, hex: the current one, and former ones that overlap."""
    subject: str
    """The subject of its certificates, as `subject_of` writes it."""
    since: int
    """When its current certificate was issued, unix seconds; older connections may present one that is forgotten."""


def subject_of(common_name: str) -> str:
    """Return a subject that is a common name alone as Go's ``pkix.Name.String`` does, in which CONNZ has it."""
    last = len(common_name) - 1
    text = "".join(
        f"\\{character}" if character in ',+"\\<>;' or _is_special_at_the_edge(character, place, last) else character
        for place, character in enumerate(common_name)
    )
    return f"CN={text}"


def _is_special_at_the_edge(character: str, place: int, last: int) -> bool:
    return (character == " " and place in (0, last)) or (character == "#" and place == 0)


def read_shown(body: bytes, account: str, issuers: Issuers) -> ShownPage:
    """Read an answer to CONNZ that asked for one account with ``auth``.

    Raises:
        ValueError: it is none.

    """
    try:
        data = orjson.loads(body)["data"]
        entries = data["connections"] or ()
        return ShownPage(
            shown=tuple(_shown(entries, account, issuers)),
            known=frozenset(int(entry["cid"]) for entry in entries),
            total=int(data["total"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("this is no list of connections") from None


def _shown(entries: Sequence[Mapping[str, Any]], account: str, issuers: Issuers) -> Iterator[Shown]:
    for entry, user in users_listed(entries, account, issuers):
        if chain := entry.get("tls_peer_certs"):
            leaf = chain[0]  # the rest are those of CAs, as far as the client sent them
            subject = str(leaf.get("subject", ""))[:_SUBJECT_CHARACTERS]
            yield Shown(user, str(leaf["spki_sha256"]).lower(), subject, unix(entry["start"]))


def mismatches(shown: Iterable[Shown], holders: Iterable[Holder]) -> dict[str, tuple[Foreign, ...]]:
    """Return who presents certificates that are not his own, by `Holder.name`, and which.

    ``shown`` by whoever is no holder counts for nobody. A certificate in a holder's own name is his, whatever its key:
    he may go on with a former one until it ends. One of nobody known is told where it cannot be a former one of his.
    """
    by_key: dict[tuple[str, str], Holder] = {}
    by_id: dict[tuple[str, str], Holder] = {}
    owners: dict[str, str] = {}
    for holder in holders:
        by_key.update(((holder.account, key), holder) for key in holder.keys)
        if holder.id:
            by_id[holder.account, holder.id] = holder
        owners.update((digest, holder.name) for digest in holder.digests)
        if holder.digests:
            owners[holder.subject] = holder.name
    found: dict[str, dict[str, Foreign]] = {}
    for one in shown:
        of = by_key.get((one.user.account, one.user.key)) or _by_id(by_id, one.user)
        if of is not None and (foreign := _foreign(one, of, owners)) is not None:
            found.setdefault(of.name, {})[foreign.digest] = foreign
    return {name: tuple(by_digest[digest] for digest in sorted(by_digest)) for name, by_digest in found.items()}


def _by_id(holders: Mapping[tuple[str, str], Holder], user: User) -> Holder | None:
    found = holders.get((user.account, user.id)) if user.id else None
    return found if found is not None and (not user.key or user.issued_at > found.created) else None


def _foreign(one: Shown, of: Holder, owners: Mapping[str, str]) -> Foreign | None:
    if one.digest in of.digests:
        return None
    # By the key before by the name: a certificate with somebody's key is his, in whatever name.
    owner = owners.get(one.digest) or ("" if one.subject == of.subject else owners.get(one.subject, ""))
    if not owner and _may_be_his(one, of):
        return None
    return Foreign(one.subject, one.digest, owner)


def _may_be_his(one: Shown, of: Holder) -> bool:
    return one.subject == of.subject or not of.digests or one.at < of.since
