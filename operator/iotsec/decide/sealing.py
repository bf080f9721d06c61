"""Seals of the notes on Secrets, which tell what was issued after any restart.

Whoever may write Secrets in some namespace could otherwise write there that anybody's key is to be revoked. So a note
is sealed with a key derived from the account's own: only the operator can write one that counts, and it counts only
on the Secret it was written on, for the identity that one belongs to; a copy elsewhere says nothing.
"""

import hashlib
import hmac

from iotsec.nats.keys import SigningKey

_CHARACTERS = 32


def seal(note: str, account: SigningKey, *, purpose: bytes, secret: str, owner: str) -> str:
    """Return what only the operator can add to a note on a Secret (``namespace/name``) of an owner (uid).

    ``purpose`` is of the kind of note: one kind can never stand for another.
    """
    key = hashlib.sha256(purpose + account.seed.reveal()).digest()
    return hmac.digest(key, f"{secret}\0{owner}\0{note}".encode(), "sha256").hex()[:_CHARACTERS]


def is_sealed(note: str, found: str, account: SigningKey, *, purpose: bytes, secret: str, owner: str) -> bool:
    """Tell whether ``found`` is the seal of this note, on this Secret of this owner."""
    expected = seal(note, account, purpose=purpose, secret=secret, owner=owner)
    return hmac.compare_digest(found.encode(), expected.encode())
