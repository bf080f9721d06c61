"""The claims of every type of NATS JWT, as values that know their JSON (jwt v2).

Each type has `to_json`, the `nats` object of a token in Go's key order, and `from_json`, its inverse. What a server
would refuse, or silently take for something else, is refused by `to_json`; `from_json` takes what servers take.
"""

from typing import TypeAlias

from iotsec.nats.claims.account import AccountClaims
from iotsec.nats.claims.activation import ActivationClaims
from iotsec.nats.claims.digest import claims_digest
from iotsec.nats.claims.generic import GenericClaims
from iotsec.nats.claims.limits import (
    UNLIMITED,
    AccountLimits,
    ConnectionType,
    JetStreamLimits,
    TimeRange,
    UserPermissionLimits,
)
from iotsec.nats.claims.operator import OperatorClaims
from iotsec.nats.claims.permissions import Permissions, Responses
from iotsec.nats.claims.routing import Authorization, Destination, Trace
from iotsec.nats.claims.scopes import ScopedKey, signing_key_of
from iotsec.nats.claims.sharing import Export, Import, ResponseType, ServiceLatency, ShareKind
from iotsec.nats.claims.user import UserClaims
from iotsec.nats.claims.wire import InvalidClaims

Claims: TypeAlias = OperatorClaims | AccountClaims | UserClaims | ActivationClaims | GenericClaims

__all__ = [
    "UNLIMITED",
    "AccountClaims",
    "AccountLimits",
    "ActivationClaims",
    "Authorization",
    "Claims",
    "ConnectionType",
    "Destination",
    "Export",
    "GenericClaims",
    "Import",
    "InvalidClaims",
    "JetStreamLimits",
    "OperatorClaims",
    "Permissions",
    "ResponseType",
    "Responses",
    "ScopedKey",
    "ServiceLatency",
    "ShareKind",
    "TimeRange",
    "Trace",
    "UserClaims",
    "UserPermissionLimits",
    "claims_digest",
    "signing_key_of",
]
