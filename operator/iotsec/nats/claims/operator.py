"""Operator claims: who may sign accounts (jwt v2 operator_claims.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.wire import distinct, flag, normalise, present, text, texts
from iotsec.nats.keys import KeyType, check_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class OperatorClaims:
    """The body of an operator JWT, which the operator's identity key signs.

    With `strict_signing_key_usage` servers trust accounts signed by `signing_keys` only, and users signed by their
    account's. `operator_service_urls` are `nats`, `tls`, `ws` or `wss` without user or path.
    """

    signing_keys: tuple[str, ...] = ()
    account_server_url: str = ""
    operator_service_urls: tuple[str, ...] = ()
    system_account: str = ""
    assert_server_version: str = ""
    strict_signing_key_usage: bool = False
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        normalise(
            self,
            signing_keys=distinct(self.signing_keys),
            operator_service_urls=distinct(self.operator_service_urls),
            tags=distinct(self.tags),
        )

    def to_json(self) -> dict[str, Any]:
        """The `nats` object, in Go's order; raises `InvalidKey`."""
        for key in self.signing_keys:
            check_public_key(key, KeyType.OPERATOR)
        if self.system_account:
            check_public_key(self.system_account, KeyType.ACCOUNT)
        return {
            **present(
                {
                    "signing_keys": self.signing_keys,
                    "account_server_url": self.account_server_url,
                    "operator_service_urls": self.operator_service_urls,
                    "system_account": self.system_account,
                    "assert_server_version": self.assert_server_version,
                    "strict_signing_key_usage": self.strict_signing_key_usage,
                    "tags": self.tags,
                }
            ),
            "type": "operator",
            "version": 2,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> OperatorClaims:
        """Reads the `nats` object; raises `InvalidClaims`."""
        return cls(
            signing_keys=texts(body, "signing_keys"),
            account_server_url=text(body, "account_server_url"),
            operator_service_urls=texts(body, "operator_service_urls"),
            system_account=text(body, "system_account"),
            assert_server_version=text(body, "assert_server_version"),
            strict_signing_key_usage=flag(body, "strict_signing_key_usage"),
            tags=texts(body, "tags"),
        )
