"""Seals of the notes on Secrets, which tell what was issued after any restart.

Whoever may write Secrets in some namespace could otherwise write there that anybody's key is to be revoked. So a note
is sealed with a key derived from the account's own: only the operator can write one that counts, and it counts only
on the Secret it was written on, for the identity that one belongs to; a copy elsewhere says nothing.
"""

import hashlib
import hmac
from abc import ABC, abstractmethod
from typing import ClassVar

from iotsec.nats.keys import SigningKey

_CHARACTERS = 32


class SealedNote(ABC):
    """A note that is written on a Secret."""

    __slots__ = ()
    purpose: ClassVar[bytes]
    """Of its kind: one kind can never stand for another."""

    @abstractmethod
    def to_json(self) -> str:
        """Serialise, canonically."""

    def seal(self, account: SigningKey, *, secret: str, owner: str) -> str:
        """Return what only the operator can add to this note on a Secret (``namespace/name``) of an owner (uid)."""
        key = hashlib.sha256(self.purpose + account.seed.reveal()).digest()
        return hmac.digest(key, f"{secret}\0{owner}\0{self.to_json()}".encode(), "sha256").hex()[:_CHARACTERS]

    def is_sealed(self, found: str, account: SigningKey, *, secret: str, owner: str) -> bool:
        """Tell whether ``found`` shows this note to be the operator's, on this Secret of this owner."""
        expected = self.seal(account, secret=secret, owner=owner)
        return hmac.compare_digest(found.encode(), expected.encode())
