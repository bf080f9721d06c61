"""Scoped signing keys: the users they sign get the scope's template, never permissions of their own (ADR-14).

Source: jwt v2 signingkeys.go `UserScope`; the templates in subjects are filled in by nats-server auth.go
`processUserPermissionsTemplate` when a user connects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iotsec.nats.claims.limits import UserPermissionLimits
from iotsec.nats.claims.wire import InvalidClaims, record, text
from iotsec.nats.keys import KeyType, check_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIND = "user_scope"


@dataclass(frozen=True, slots=True)
class ScopedKey:
    """A signing key of an account, by its public `key`, and what each user it signs may do."""

    key: str
    role: str = ""
    description: str = ""
    template: UserPermissionLimits = field(default_factory=UserPermissionLimits)

    def to_json(self) -> dict[str, Any]:
        """One entry of `signing_keys`, in Go's order; raises `InvalidClaims` or `InvalidKey`."""
        template = self.template
        if 0 in (template.subscriptions, template.data, template.payload):
            # Go leaves a 0 out and reads what is missing as -1: the strictest limit would become the loosest.
            raise InvalidClaims(
                "a scope cannot limit to 0, which is read as unlimited: write 1 or more, or deny subjects"
            )
        return {
            "kind": _KIND,
            "key": check_public_key(self.key, KeyType.ACCOUNT),
            "role": self.role,
            "template": template.to_json(),
            "description": self.description,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ScopedKey:
        """Reads one entry of `signing_keys`; raises `InvalidClaims`, for an unknown kind too, as Go does."""
        if body.get("kind") != _KIND:
            raise InvalidClaims(f"the kind of a scoped signing key must be {_KIND}")
        return cls(
            key=text(body, "key"),
            role=text(body, "role"),
            description=text(body, "description"),
            template=UserPermissionLimits.from_json(record(body, "template"), absent=-1),
        )


def signing_key_of(entry: str | ScopedKey) -> str:
    """The public key of an entry of `signing_keys`, scoped or not."""
    return entry if isinstance(entry, str) else entry.key
