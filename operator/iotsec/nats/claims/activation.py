"""Activation claims: leave for one account to import what another exports to few (jwt v2 activation_claims.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.sharing import ShareKind, share_kind
from iotsec.nats.claims.wire import distinct, normalise, present, text, texts
from iotsec.nats.keys import KeyType, check_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ActivationClaims:
    """The body of an activation JWT, whose subject is the importing account.

    `issuer_account` is the exporting account where a signing key of it signs.
    """

    import_subject: str
    kind: ShareKind
    issuer_account: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        normalise(self, tags=distinct(self.tags))

    def to_json(self) -> dict[str, Any]:
        """The `nats` object, in Go's order; raises `InvalidKey`."""
        if self.issuer_account:
            check_public_key(self.issuer_account, KeyType.ACCOUNT)
        return {
            **present(
                {
                    "subject": self.import_subject,
                    "kind": self.kind,
                    "issuer_account": self.issuer_account,
                    "tags": self.tags,
                }
            ),
            "type": "activation",
            "version": 2,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ActivationClaims:
        """Reads the `nats` object; raises `InvalidClaims`."""
        return cls(
            import_subject=text(body, "subject"),
            kind=share_kind(body, "kind"),
            issuer_account=text(body, "issuer_account"),
            tags=texts(body, "tags"),
        )
