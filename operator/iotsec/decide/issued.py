"""What was issued, as it is written on the creds Secret that holds it: known after any restart, and nobody's to forge.

See :mod:`iotsec.decide.sealing`.
"""

import json
from dataclasses import dataclass
from sys import intern
from typing import ClassVar

from iotsec.decide.ledger import Revocation
from iotsec.decide.sealing import SealedNote


@dataclass(frozen=True, slots=True)
class Former:
    """A JWT that was replaced and still works, to its own end or until it is revoked; times in unix seconds."""

    key: str
    """Public key of the user."""
    issued_at: int
    expires_at: int
    ends_at: int
    """When it stops working: from then on it is to be refused, unless it has expired."""
    signer: str
    """Public key of the signing key."""

    def revocation(self, account: str) -> Revocation:
        """Return what cuts it off, and all that the same key was issued before it."""
        return Revocation(account, self.key, self.issued_at, self.expires_at)


@dataclass(frozen=True, slots=True)
class Issued(SealedNote):
    """What a creds Secret says was issued; times in unix seconds."""

    purpose: ClassVar[bytes] = b"iotsec/issued/2\0"

    account: str
    """Public key of the account."""
    key: str
    """Public key of the user."""
    id: str
    """The id it is for."""
    issued_at: int
    expires_at: int
    valid_until: int
    """The last moment any JWT ever issued for this key is valid."""
    signer: str
    """Public key of the signing key."""
    key_at: int
    """When the user's key came into use."""
    digest: str
    """Digest of what the JWT grants and to whom, without its times."""
    layout: str
    """Digest of how the Secret presents it."""
    keys: tuple[str, ...]
    """The data keys that are ours."""
    revision: int = 1
    superseded: tuple[Revocation, ...] = ()
    """Credentials this one replaced that must be refused; kept until every server refuses them."""
    formers: tuple[Former, ...] = ()
    """Credentials this one replaced that work for a while yet."""
    heeded: tuple[str, ...] = ()
    """The tokens that asked for a rotation and were heeded, of the object and of the Secret."""
    bundle: str = ""
    """Digest of the trust bundle beside it; empty where there is none."""

    def everything(self) -> tuple[Revocation, ...]:
        """Return what cuts off everything issued so far."""
        own = Revocation(self.account, self.key, self.issued_at, self.valid_until)
        others = (former.revocation(self.account) for former in self.formers if former.key != self.key)
        return (*self.superseded, *others, own)

    def over(self, now: int) -> tuple[Revocation, ...]:
        """Return what is to be refused because its overlap is over."""
        return tuple(f.revocation(self.account) for f in self.formers if f.ends_at <= now < f.expires_at)

    def overlapping(self, now: int) -> tuple[Former, ...]:
        """Return the formers that work now and will be missed: of another key, or ended before their time."""
        return tuple(f for f in self.formers if now < f.ends_at and (f.key != self.key or f.ends_at < f.expires_at))

    def next_end(self, now: int) -> int | None:
        """Return when the next of the formers stops working that will be missed."""
        return min((f.ends_at for f in self.overlapping(now)), default=None)

    def oldest(self, now: int) -> int:
        """Return when the oldest of its JWTs was issued that still works."""
        return min((self.issued_at, *(f.issued_at for f in self.formers if now < f.ends_at)))

    def last_end(self) -> int:
        """Return when the last of its JWTs ends by itself."""
        return max((self.expires_at, *(f.expires_at for f in self.formers)))

    def to_json(self) -> str:
        """Serialise, canonically."""
        body = {
            "account": self.account,
            "key": self.key,
            "id": self.id,
            "iat": self.issued_at,
            "exp": self.expires_at,
            "until": self.valid_until,
            "signer": self.signer,
            "keyAt": self.key_at,
            "digest": self.digest,
            "layout": self.layout,
            "keys": self.keys,
            "revision": self.revision,
        }
        if self.superseded:
            body["superseded"] = [[r.account, r.key, r.at, r.until] for r in self.superseded]
        if self.formers:
            body["formers"] = [[f.key, f.issued_at, f.expires_at, f.ends_at, f.signer] for f in self.formers]
        if self.heeded:
            body["heeded"] = self.heeded
        if self.bundle:
            body["bundle"] = self.bundle
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Issued":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: somebody else wrote it.

        """
        try:
            body = json.loads(text)
            return cls(
                account=intern(body["account"]),
                key=body["key"],
                id=body["id"],
                issued_at=int(body["iat"]),
                expires_at=int(body["exp"]),
                valid_until=int(body["until"]),
                signer=intern(body["signer"]),
                key_at=int(body["keyAt"]),
                digest=body["digest"],
                layout=body["layout"],
                keys=tuple(intern(key) for key in body["keys"]),
                revision=int(body["revision"]),
                superseded=tuple(
                    Revocation(str(account), str(key), int(at), int(until))
                    for account, key, at, until in body.get("superseded", ())
                ),
                formers=tuple(
                    Former(str(key), int(issued_at), int(expires_at), int(ends_at), intern(str(signer)))
                    for key, issued_at, expires_at, ends_at, signer in body.get("formers", ())
                ),
                heeded=tuple(str(token) for token in body.get("heeded", ())),
                bundle=intern(body.get("bundle", "")),
            )
        except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError("the annotation does not say what was issued") from error
