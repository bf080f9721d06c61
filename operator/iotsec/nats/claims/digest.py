"""Telling whether claims changed, without looking at when they were signed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from iotsec.nats.go_json import go_json

if TYPE_CHECKING:
    from iotsec.nats.claims.account import AccountClaims
    from iotsec.nats.claims.operator import OperatorClaims
    from iotsec.nats.claims.user import UserClaims


def claims_digest(claims: AccountClaims | OperatorClaims | UserClaims, *, name: str = "") -> str:
    """SHA-256, in hex, of the claims and the name they are issued under: equal claims have equal digests.

    Neither issue time nor `jti` is in it, so it says whether a push would change anything. Raises `InvalidClaims` or
    `InvalidKey` for claims that cannot be signed.
    """
    return hashlib.sha256(go_json({"name": name, "nats": claims.to_json()})).hexdigest()
