"""An account that was there before us: what its JWT says is kept whole, and told apart from what we add.

The record of it is kept with the account's ledger. What somebody changes later, with nsc for instance, takes the place
of what the record says; our keys and revocations are put into that again.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, InvalidClaims, ScopedKey
from iotsec.nats.keys import InvalidKey

_EMPTY: tuple[Any, ...] = (None, "", 0, False, [], {})
_REMEMBERED = 64  # a server that is further behind shows what it says, which is what we know
_ORDER = (
    *("kind", "key", "role", "template", "description"),
    *("pub", "sub", "allow", "deny", "resp", "max", "ttl"),
    *("src", "times", "start", "end", "times_location", "subs", "data", "payload"),
    *("bearer_token", "proxy_required", "allowed_connection_types"),
)
"""How jwt v2 writes a scoped signing key, at any depth."""

_ENVELOPE = frozenset({"aud", "exp", "iat", "iss", "jti", "name", "nats", "nbf", "sub"})


class AdoptionRefusedError(ValueError):
    """An account cannot be taken over as it is; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class KeptScope(ScopedKey):
    """Somebody else's scoped signing key, to the letter.

    A server disconnects everybody signed by it when so much as the order of a list in its template changes
    (nats-server ``accounts.go``, updateAccountClaimsWithRefresh).
    """

    written: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One entry of ``signing_keys``, as it was found."""
        return dict(self.written)


@dataclass(frozen=True, slots=True)
class AdoptedAccount:
    """What an account says that is not by us; times in unix seconds."""

    public: str
    """Public key of its identity, whose seed somebody else holds."""
    issued_at: int
    """Of the JWT that all of this is from."""
    said: Mapping[str, Any] = field(repr=False)
    """The ``nats`` object of that JWT, without what we had added; imports may hold activation tokens."""
    expires_at: int | None = None
    not_before: int | None = None
    audience: str = ""
    ours: frozenset[str] = frozenset()
    """Every signing key of ours that was ever in it: one that comes back in somebody's copy must not stay."""
    signed: tuple[str, ...] = ()
    """Fingerprints of the JWTs that we signed last, the latest last."""

    @property
    def claims(self) -> AccountClaims:
        """What it says, as claims."""
        return claims_of(self.said)

    @property
    def revocations(self) -> Mapping[str, int]:
        """What it revokes beside us: key, or ``*`` for everybody → the unix second up to which their JWTs are dead."""
        found: Mapping[str, int] = self.said.get("revocations", {})
        return found

    def with_ours(self, keys: Collection[str]) -> "AdoptedAccount":
        """Return the record with these signing keys known as ours."""
        return self if self.ours.issuperset(keys) else replace(self, ours=self.ours | frozenset(keys))

    def with_signed(self, token: str) -> "AdoptedAccount":
        """Return the record with this JWT known as one that we signed."""
        mark = fingerprint(token)
        return self if mark in self.signed else replace(self, signed=(*self.signed, mark)[-_REMEMBERED:])

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "account": self.public,
            "iat": self.issued_at,
            "nats": dict(self.said),
            "exp": self.expires_at,
            "nbf": self.not_before,
            "aud": self.audience,
            "ours": sorted(self.ours),
            "signed": list(self.signed),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "AdoptedAccount":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: it is something else.

        """
        try:
            found = cls(
                public=str(body["account"]),
                issued_at=int(body["iat"]),
                said=dict(body["nats"]),
                expires_at=body["exp"],
                not_before=body["nbf"],
                audience=str(body["aud"]),
                ours=frozenset(map(str, body["ours"])),
                signed=tuple(map(str, body["signed"])),
            )
            claims_of(found.said)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("this is no record of an adopted account") from error
        return found


def adopted_from(token: str, *, ours: Collection[str] = (), revoked: Mapping[str, int] | None = None) -> AdoptedAccount:
    """Return what an account JWT says without our signing keys and our revocations (key → unix second).

    Raises:
        AdoptionRefusedError: it says something that would be lost if we issued it again.

    """
    try:
        found = jwt.decode(token)
    except jwt.InvalidToken as error:
        raise AdoptionRefusedError(f"its JWT cannot be read ({error}): issue it again, with nsc for instance") from None
    payload = payload_of(token)
    said = _without(payload["nats"], frozenset(ours), revoked or {})
    try:
        kept = claims_of(said).to_json()
    except (InvalidClaims, InvalidKey) as error:
        raise AdoptionRefusedError(f"its JWT cannot be issued again ({error}): correct it first") from None
    lost = [*sorted(name for name in payload if name not in _ENVELOPE), *_lost(said, kept, "")]
    if lost:
        raise AdoptionRefusedError(
            f"its JWT says what this version does not know, and would lose: {', '.join(lost)}. Take that out of the "
            "account, or leave the account out of spec.accounts"
        )
    return AdoptedAccount(
        public=found.subject,
        issued_at=found.issued_at,
        said=said,
        expires_at=found.expires_at,
        not_before=found.not_before,
        audience=found.audience,
        ours=frozenset(ours),
    )


def fingerprint(token: str) -> str:
    """Return what a JWT is known by, without being it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def claims_of(said: Mapping[str, Any]) -> AccountClaims:
    """Return an account's ``nats`` object as claims, in which no scope is written anew.

    Raises:
        InvalidClaims: it is no such object.

    """
    claims = AccountClaims.from_json(said)
    written = {entry["key"]: entry for entry in said.get("signing_keys") or () if isinstance(entry, dict)}
    return replace(
        claims,
        signing_keys=tuple(
            _kept(key, written[key.key]) if isinstance(key, ScopedKey) else key for key in claims.signing_keys
        ),
    )


def payload_of(token: str) -> dict[str, Any]:
    """Return the JSON object of a JWT whose form was checked."""
    part = token.split(".")[1]
    return cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def _kept(key: ScopedKey, written: Mapping[str, Any]) -> KeptScope:
    return KeptScope(key.key, key.role, key.description, key.template, _sorted(written))


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _sorted(value: Any) -> Any:
    """Return the value with the names of objects in Go's order: what is equal must have equal bytes. Lists stay."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value, key=_place)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value


def _without(body: Mapping[str, Any], ours: frozenset[str], revoked: Mapping[str, int]) -> dict[str, Any]:
    keys = [entry for entry in body.get("signing_keys") or () if _key(entry) not in ours]
    theirs = {key: at for key, at in (body.get("revocations") or {}).items() if at > revoked.get(key, 0)}
    rest = {name: value for name, value in body.items() if name not in ("signing_keys", "revocations")}
    return rest | ({"signing_keys": keys} if keys else {}) | ({"revocations": theirs} if theirs else {})


def _key(entry: Any) -> str:
    return str(entry.get("key", "")) if isinstance(entry, dict) else str(entry)


def _lost(found: Any, kept: Any, path: str) -> list[str]:
    """Return the paths of what is in ``found`` and not in ``kept``; the order of lists does not count."""
    if isinstance(found, dict) and isinstance(kept, dict):
        inside = (_lost(v, kept.get(k), f"{path}.{k}" if path else k) for k, v in found.items() if v not in _EMPTY)
        return [lost for entry in inside for lost in entry]
    if isinstance(found, list) and isinstance(kept, list):
        same = {_text(entry) for entry in kept}
        others = (entry for entry in found if _text(entry) not in same)
        return [f"{path}[]" for entry in others if all(_lost(entry, other, "") for other in kept)][:1]
    return [] if found == kept else [path or "?"]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
