"""User claims: what one identity may do (jwt v2 user_claims.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.limits import NOTHING_SET, UserPermissionLimits
from iotsec.nats.claims.wire import InvalidClaims, distinct, normalise, present, text, texts
from iotsec.nats.keys import KeyType, check_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class UserClaims:
    """The body of a user JWT.

    Without `limits` the user gets those of the scoped key that signs it, and must have none (jwt v2
    `ValidateScopedSigner`). `issuer_account` is the account's public key, needed whenever a signing key signs. Template
    lookups lower-case the key of a tag, so write the key of `key:value` tags in lower case.
    """

    issuer_account: str = ""
    limits: UserPermissionLimits | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        normalise(self, tags=distinct(self.tags))

    @property
    def scoped(self) -> bool:
        """Whether the user leaves everything to the scope of its signer."""
        return self.limits is None

    def to_json(self) -> dict[str, Any]:
        """The `nats` object, in Go's order; raises `InvalidClaims` or `InvalidKey`."""
        if self.limits == NOTHING_SET:
            raise InvalidClaims("limits that are all 0 read as a scoped user: leave limits out, or deny the subject >")
        if self.issuer_account:
            check_public_key(self.issuer_account, KeyType.ACCOUNT)
        return {
            **(self.limits.to_json() if self.limits else {"pub": {}, "sub": {}}),
            **present({"issuer_account": self.issuer_account, "tags": self.tags}),
            "type": "user",
            "version": 2,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> UserClaims:
        """Reads the `nats` object; raises `InvalidClaims`."""
        limits = UserPermissionLimits.from_json(body)
        return cls(
            issuer_account=text(body, "issuer_account"),
            limits=None if limits == NOTHING_SET else limits,
            tags=texts(body, "tags"),
        )
