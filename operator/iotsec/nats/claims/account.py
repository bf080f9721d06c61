"""Account claims: what an account may do, who signs for it and whom it cut off (jwt v2 account_claims.go)."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from iotsec.nats.claims.limits import AccountLimits
from iotsec.nats.claims.permissions import Permissions
from iotsec.nats.claims.routing import Authorization, Destination, Trace
from iotsec.nats.claims.scopes import ScopedKey, signing_key_of
from iotsec.nats.claims.sharing import Export, Import
from iotsec.nats.claims.wire import (
    InvalidClaims,
    distinct,
    normalise,
    present,
    record,
    records,
    text,
    texts,
    times_by_key,
)
from iotsec.nats.keys import KeyType, check_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Shared = TypeVar("Shared", Import, Export)

_CLUSTER_TRAFFIC = ("", "system", "owner")


@dataclass(frozen=True, slots=True)
class AccountClaims:
    """The body of an account JWT.

    `revocations` maps user public keys (or `*`) to a Unix second: user JWTs issued then or earlier are void.
    `mappings` sends a subject to weighted destinations. `cluster_traffic` is `system` (as is empty) or `owner`.
    """

    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    limits: AccountLimits = field(default_factory=AccountLimits)
    signing_keys: tuple[str | ScopedKey, ...] = ()
    revocations: Mapping[str, int] = field(default_factory=dict)
    default_permissions: Permissions = field(default_factory=Permissions)
    mappings: Mapping[str, tuple[Destination, ...]] = field(default_factory=dict)
    authorization: Authorization = field(default_factory=Authorization)
    trace: Trace | None = None
    cluster_traffic: str = ""
    description: str = ""
    info_url: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        normalise(
            self,
            imports=_by_subject(self.imports),
            exports=_by_subject(self.exports),
            signing_keys=_by_key(self.signing_keys),
            revocations=dict(sorted(self.revocations.items())),
            mappings={subject: tuple(sorted(set(to))) for subject, to in sorted(self.mappings.items())},
            tags=distinct(self.tags),
        )

    def to_json(self) -> dict[str, Any]:
        """The `nats` object, in Go's order; raises `InvalidClaims` or `InvalidKey` for what servers would refuse."""
        if self.cluster_traffic not in _CLUSTER_TRAFFIC:
            raise InvalidClaims("cluster_traffic must be system or owner, or left out")
        return {
            **present(
                {
                    "imports": [shared.to_json() for shared in self.imports],
                    "exports": [shared.to_json() for shared in self.exports],
                }
            ),
            "limits": self.limits.to_json(),
            **present(
                {
                    "signing_keys": [_signing_key_json(key) for key in self.signing_keys],
                    "revocations": self.revocations,
                }
            ),
            "default_permissions": self.default_permissions.to_json(),
            **present(
                {"mappings": {subject: [to.to_json() for to in self.mappings[subject]] for subject in self.mappings}}
            ),
            "authorization": self.authorization.to_json(),
            **present(
                {
                    "trace": self.trace.to_json() if self.trace else None,
                    "cluster_traffic": self.cluster_traffic,
                    "description": self.description,
                    "info_url": self.info_url,
                    "tags": self.tags,
                }
            ),
            "type": "account",
            "version": 2,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> AccountClaims:
        """Reads the `nats` object; raises `InvalidClaims`."""
        trace, mappings = record(body, "trace"), record(body, "mappings")
        return cls(
            imports=tuple(Import.from_json(entry) for entry in records(body, "imports")),
            exports=tuple(Export.from_json(entry) for entry in records(body, "exports")),
            limits=AccountLimits.from_json(record(body, "limits")),
            signing_keys=_signing_keys(body),
            revocations=times_by_key(body, "revocations"),
            default_permissions=Permissions.from_json(record(body, "default_permissions")),
            mappings={
                subject: tuple(Destination.from_json(entry) for entry in records(mappings, subject))
                for subject in mappings
            },
            authorization=Authorization.from_json(record(body, "authorization")),
            trace=Trace.from_json(trace) if trace else None,
            cluster_traffic=text(body, "cluster_traffic"),
            description=text(body, "description"),
            info_url=text(body, "info_url"),
            tags=texts(body, "tags"),
        )


def _signing_keys(body: Mapping[str, Any]) -> tuple[str | ScopedKey, ...]:
    found = body.get("signing_keys") or []
    if not isinstance(found, list) or not all(isinstance(entry, (str, dict)) for entry in found):
        raise InvalidClaims("signing_keys must be a list of public keys and scopes")
    return tuple(entry if isinstance(entry, str) else ScopedKey.from_json(entry) for entry in found)


def _signing_key_json(key: str | ScopedKey) -> str | dict[str, Any]:
    return check_public_key(key, KeyType.ACCOUNT) if isinstance(key, str) else key.to_json()


def _by_key(keys: Iterable[str | ScopedKey]) -> tuple[str | ScopedKey, ...]:
    found: dict[str, str | ScopedKey] = {}
    for key in keys:
        if found.setdefault(signing_key_of(key), key) != key:
            raise InvalidClaims("one signing key stands twice in signing_keys with different scopes: keep one of them")
    return tuple(found[public] for public in sorted(found))


def _by_subject(entries: Iterable[Shared]) -> tuple[Shared, ...]:
    # Go sorts by subject alone and keeps the order of what has the same; the rest of the entry settles it here.
    return tuple(sorted(entries, key=lambda entry: (entry.subject, str(astuple(entry)))))
