"""What an account does with messages and logins beyond permissions (jwt v2 account_claims.go).

Subject mappings, delegated authorization ("auth callout") and message tracing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.wire import InvalidClaims, distinct, normalise, number, present, text, texts
from iotsec.nats.keys import KeyType, check_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERCENT = range(1, 101)
_ANY_ACCOUNT = "*"


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """Where a mapping sends `weight` percent of the messages of a subject, in one `cluster` or, if empty, in any."""

    subject: str
    weight: int = 100
    cluster: str = ""

    def to_json(self) -> dict[str, Any]:
        """One entry of a mapping; raises `InvalidClaims`."""
        if self.weight not in _PERCENT:
            raise InvalidClaims("the weight of a mapping is 1 to 100 percent")
        return {"subject": self.subject, "weight": self.weight, **present({"cluster": self.cluster})}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Destination:
        """Reads one entry of a mapping, where no weight is 100; raises `InvalidClaims`."""
        return cls(subject=text(body, "subject"), weight=number(body, "weight") or 100, cluster=text(body, "cluster"))


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who decides on logins in place of the server: users `auth_users`, for `allowed_accounts` (public keys or `*`).

    `xkey` is the public curve key requests are sealed for.
    """

    auth_users: tuple[str, ...] = ()
    allowed_accounts: tuple[str, ...] = ()
    xkey: str = ""

    def __post_init__(self) -> None:
        normalise(self, auth_users=distinct(self.auth_users), allowed_accounts=distinct(self.allowed_accounts))

    def to_json(self) -> dict[str, Any]:
        """The `authorization` object; raises `InvalidClaims` or `InvalidKey`."""
        if self.allowed_accounts and not self.auth_users:
            raise InvalidClaims("allowed_accounts need auth_users, who decide on the logins")
        if _ANY_ACCOUNT in self.allowed_accounts and len(self.allowed_accounts) > 1:
            raise InvalidClaims("allowed_accounts is a list of public keys, or * alone")
        for user in self.auth_users:
            check_public_key(user, KeyType.USER)
        for account in self.allowed_accounts:
            if account != _ANY_ACCOUNT:
                check_public_key(account, KeyType.ACCOUNT)
        if self.xkey:
            check_public_key(self.xkey, KeyType.CURVE)
        return present({"auth_users": self.auth_users, "allowed_accounts": self.allowed_accounts, "xkey": self.xkey})

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Authorization:
        """Reads the `authorization` object; raises `InvalidClaims`."""
        return cls(
            auth_users=texts(body, "auth_users"),
            allowed_accounts=texts(body, "allowed_accounts"),
            xkey=text(body, "xkey"),
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """Where traces of messages go that carry a sampled `traceparent` header, and of how many percent of them."""

    destination: str
    sampling: int = 100

    def to_json(self) -> dict[str, Any]:
        """The `trace` object; raises `InvalidClaims`."""
        if self.sampling not in _PERCENT:
            raise InvalidClaims("the sampling of a trace is 1 to 100 percent")
        return {"dest": self.destination, "sampling": self.sampling}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Trace:
        """Reads the `trace` object, where no sampling is 100; raises `InvalidClaims`."""
        return cls(destination=text(body, "dest"), sampling=number(body, "sampling") or 100)
