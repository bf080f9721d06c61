"""What servers tell unasked: who connected, who left, who was refused; and whom of it all can be believed.

The shapes are those of nats-server's ``events.go`` and, for connections that are open already, of its ``monitor.go``.
What they call ``user`` is whatever the client wrote into its CONNECT (``client.go``, getRawAuthUser): anybody logs in
with his own JWT and another's name there. So a user is told by his JWT alone, which the server checked where it let him
in. Where it refused, the JWT is whatever a stranger sent: it counts where a key of ours signed it. Of a JWT nothing
goes on from here but whose it is: a bearer's would be good to log in with.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from iotsec.decide.ledger import Ledger
from iotsec.decide.times import unix
from iotsec.decide.views import HubView
from iotsec.nats import jwt
from iotsec.nats.claims import UserClaims

SUBJECTS = ("$SYS.ACCOUNT.*.CONNECT", "$SYS.ACCOUNT.*.DISCONNECT", "$SYS.SERVER.*.CLIENT.AUTH.ERR")
"""What to subscribe to with the system account."""

REVOKED = "credential revoked"
EXPIRED = "credential expired"
ID_TAG = "id:"
"""What a bearer's JWT says the id of its identity by, in a tag: servers show its tags, and not the JWT itself."""

_REFUSED = ".CLIENT.AUTH.ERR"
_CONNECTED = ".CONNECT"
_DISCONNECTED = ".DISCONNECT"
_LARGEST_BYTES = 2**16  # a CONNECT has 4 KiB unless a server is told otherwise (max_control_line)
_HOST_CHARACTERS = 256


class Connection(NamedTuple):
    """One connection; a server counts its own from 1, and has another id after each start."""

    server: str
    cid: int


@dataclass(frozen=True, slots=True)
class User:
    """Whom a JWT is about, and which of his it is."""

    account: str
    """Public key of the account."""
    key: str
    """Public key of the user; empty where the server hides the JWT, as it does a bearer's."""
    id: str
    """Id of the identity that it was issued to; empty where it is not one of ours that says so."""
    issued_at: int
    """Unix seconds; 0 where that is not told."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A user is connected, since ``at`` (unix seconds); told again at each reload of the server's configuration."""

    connection: Connection
    user: User
    at: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection ended, at ``at`` (unix seconds)."""

    connection: Connection
    at: int


@dataclass(frozen=True, slots=True)
class Denied:
    """A login was refused that showed a JWT of ours, at ``at`` (unix seconds)."""

    user: User
    at: int
    reason: str
    host: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """A login was refused of somebody who showed no JWT of ours."""

    host: str


Advisory = Connected | Disconnected | Denied | Stranger


@dataclass(frozen=True, slots=True)
class Issuers:
    """Who signs the JWTs of a Hub's users."""

    ledgers: Mapping[str, Ledger]
    """What each account has revoked, by the account's public key."""
    signers: Mapping[str, str]
    """The account's public key, by that of each of its signing keys."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the connections of an account that are open at one server."""

    connected: tuple[Connected, ...]
    known: frozenset[int]
    """The number of each connection on the page, whether or not it is told whose it is."""
    total: int
    """How many there are, on all pages."""


def issuers_of(hub: HubView) -> Issuers:
    """Return who signs for a Hub's accounts, former signing keys that are still in use among them."""
    ledgers, signers = {}, {}
    for account in hub.accounts.values():
        keys = account.keys
        ledgers[keys.public] = account.recorded
        scoped = (key for generations in keys.scoped.values() for key in generations)
        signers.update({key.public: keys.public for key in (*keys.unscoped, *scoped)})
    return Issuers(ledgers, signers)


def is_advisory(subject: str) -> bool:
    """Tell whether a message is one of these."""
    return subject.endswith((_CONNECTED, _DISCONNECTED, _REFUSED))


def is_refusal(subject: str) -> bool:
    """Tell whether a message is of a refused login: any stranger can cause as many as he likes."""
    return subject.endswith(_REFUSED)


def read_advisory(subject: str, body: bytes, issuers: Issuers) -> Advisory | None:
    """Read a message; ``None`` where it is about nobody of this Hub."""
    if not is_refusal(subject) and _account_in(subject) not in issuers.ledgers:
        return None
    try:
        message = orjson.loads(body)
        client, connection = message["client"], Connection(message["server"]["id"], int(message["client"]["id"]))
        if is_refusal(subject):
            return _refused(client, message, issuers, size=len(body))
        if subject.endswith(_DISCONNECTED):
            return Disconnected(connection, unix(client["stop"]))
        user = _admitted(client.get("jwt", ""), _account_in(subject), issuers)
        return Connected(connection, user, unix(client["start"])) if user is not None else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # of a shape that no server sends


def read_listing(body: bytes, account: str, issuers: Issuers) -> Listing:
    """Read an answer to CONNZ that asked for one account with ``auth``.

    Raises:
        ValueError: it is none.

    """
    try:
        message = orjson.loads(body)
        server, data = message["server"]["id"], message["data"]
        entries = data["connections"] or ()
        return Listing(
            connected=tuple(
                Connected(Connection(server, int(entry["cid"])), user, unix(entry["start"]))
                for entry, user in users_listed(entries, account, issuers)
            ),
            known=frozenset(int(entry["cid"]) for entry in entries),
            total=int(data["total"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("this is no list of connections") from None


def _account_in(subject: str) -> str:
    return subject.split(".")[2]


def users_listed(
    entries: Sequence[Mapping[str, Any]], account: str, issuers: Issuers
) -> Iterator[tuple[Mapping[str, Any], User]]:
    """Yield each connection of a list that is told whose it is, and the user."""
    for entry in entries:
        user = _admitted(entry.get("jwt", ""), account, issuers) or _tagged(entry, account, issuers)
        if user is not None and entry.get("account") == account:
            yield entry, user


def _admitted(token: str, account: str, issuers: Issuers) -> User | None:
    """Tell whom the server let in, by the JWT that it checked."""
    try:
        found = jwt.decode(token, verify=False)
    except jwt.InvalidToken:
        return None
    claims = found.claims
    if not isinstance(claims, UserClaims) or (claims.issuer_account or found.issuer) != account:
        return None
    # An account that was there before us has other signing keys too, and whoever holds one names users as he likes.
    ours = issuers.signers.get(found.issuer) == account
    return User(account, found.subject, found.name if ours else "", found.issued_at)


def _tagged(entry: Mapping[str, Any], account: str, issuers: Issuers) -> User | None:
    tags: Sequence[str] = entry.get("tags") or ()
    ids = [tag.removeprefix(ID_TAG) for tag in tags if tag.startswith(ID_TAG)]
    ours = issuers.signers.get(entry.get("issuer_key", "")) == account
    return User(account, "", ids[0], 0) if ours and len(ids) == 1 else None


def _refused(client: Mapping[str, Any], message: Mapping[str, Any], issuers: Issuers, *, size: int) -> Advisory | None:
    if client.get("acc") in issuers.ledgers:
        return None  # he was in: a connection that ended is told of as such
    host = str(client.get("host", ""))[:_HOST_CHARACTERS]
    shown = _shown(client.get("jwt", ""), issuers) if size <= _LARGEST_BYTES else None
    if shown is None:
        return Stranger(host)
    at = unix(message["timestamp"])
    user = User(issuers.signers[shown.issuer], shown.subject, shown.name, shown.issued_at)
    if issuers.ledgers[user.account].revoked_at(user.key) >= user.issued_at:
        reason = REVOKED
    elif shown.expires_at is not None and at > shown.expires_at:
        reason = EXPIRED
    else:
        reason = str(message.get("reason", ""))[:_HOST_CHARACTERS]
    return Denied(user, at, reason, host)


def _shown(token: str, issuers: Issuers) -> jwt.Decoded | None:
    """Read a JWT that a stranger sent: it counts where it is what our key signed, for the account of that key."""
    try:
        # Checking a signature costs more than all the rest: only what claims to be ours is worth it.
        found = jwt.decode(token, verify=False)
        if found.issuer not in issuers.signers:
            return None
        found = jwt.decode(token)
    except jwt.InvalidToken:
        return None
    claims = found.claims
    ours = isinstance(claims, UserClaims) and claims.issuer_account == issuers.signers[found.issuer]
    return found if ours else None
