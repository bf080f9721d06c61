"""Conditions as kstatus reads them, and every reason the operator can give.

Rules (kstatus, ``cli-utils/pkg/kstatus``): ``Reconciling`` and ``Stalled`` are present only while true and never
together; ``lastTransitionTime`` moves only when ``status`` does; ``Ready`` is true only when the thing works.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
CREDENTIALS_ISSUED = "CredentialsIssued"
CERTIFICATE_ISSUED = "CertificateIssued"
PUSHED = "Pushed"
CONFIG_WRITTEN = "ConfigWritten"
CONNECTED = "Connected"
ROTATING = "Rotating"
REVOCATIONS_NEAR_LIMIT = "RevocationsNearLimit"
ROTATION_WINDOW_MISSED = "RotationWindowMissed"
RESTART_PENDING = "RestartPending"
SELECTOR_MATCHES_NOTHING = "SelectorMatchesNothing"
FOREIGN_CERTIFICATE = "ForeignCertificate"
ENCRYPTED_AT_REST = "EncryptedAtRest"
ENCRYPTED = "Encrypted"
RELOAD_DISCONNECTS = "ReloadDisconnects"
LIFE_CAPPED = "LifeCapped"
BUNDLE_CONFLICT = "BundleConflict"
REVOCATION_UNSERVED = "RevocationUnserved"
NETWORK_POLICIES_WRITTEN = "NetworkPoliciesWritten"
NETWORK_CAUTION = "NetworkCaution"
SELECTS_NO_PODS = "SelectsNoPods"

_MESSAGE_LIMIT = 1024


class Reason(StrEnum):
    """Why a condition is as it is; each has a row in ``docs/conditions.md``."""

    ISSUED = "Issued"
    SUSPENDED = "Suspended"
    DELETING = "Deleting"
    INVALID_SPEC = "InvalidSpec"
    INVALID_ID = "InvalidId"
    INVALID_SUBJECT = "InvalidSubject"
    INVALID_PUBLIC_KEY = "InvalidPublicKey"
    ID_TAKEN = "IdTaken"
    PUBLIC_KEY_TAKEN = "PublicKeyTaken"
    HUB_NOT_FOUND = "HubNotFound"
    HUB_NOT_READY = "HubNotReady"
    NAMESPACE_NOT_ADMITTED = "NamespaceNotAdmitted"
    NO_NAMESPACE = "NoNamespace"
    NAMESPACE_LABELS_UNKNOWN = "NamespaceLabelsUnknown"
    ACCOUNT_UNKNOWN = "AccountUnknown"
    ACCOUNT_REQUIRED = "AccountRequired"
    ROLE_UNKNOWN = "RoleUnknown"
    ROLE_IN_USE = "RoleInUse"
    PERMISSIONS_REFUSED = "PermissionsRefused"
    CONNECTION_TYPE_REFUSED = "ConnectionTypeRefused"
    JET_STREAM_REQUIRED = "JetStreamRequired"
    BEARER_REFUSED = "BearerRefused"
    INVALID_ROTATION = "InvalidRotation"
    CERTIFICATE_REQUEST_REFUSED = "CertificateRequestRefused"
    ISSUER_NOT_READY = "IssuerNotReady"
    ISSUER_REFUSED = "IssuerRefused"
    FOREIGN_CERTIFICATE = "ForeignCertificate"
    OVERLAP = "Overlap"
    NO_WINDOW_IN_TIME = "NoWindowInTime"
    SIGNING_KEY_ADDED = "SigningKeyAdded"
    SIGNING_KEY_REPLACED = "SigningKeyReplaced"
    OPERATOR_KEY_ADDED = "OperatorKeyAdded"
    OPERATOR_KEY_REPLACED = "OperatorKeyReplaced"
    WORKLOAD_NOT_FOUND = "WorkloadNotFound"
    RESTART_REFUSED = "RestartRefused"
    SECRET_CONFLICT = "SecretConflict"  # noqa: S105 - a reason, no password
    SECRET_REFUSED = "SecretRefused"  # noqa: S105 - the same
    TRUST_LOST = "TrustLost"
    TRUST_UNUSABLE = "TrustUnusable"
    ADOPTION_REFUSED = "AdoptionRefused"
    ENCRYPTED = "Encrypted"
    ISSUER_UNUSABLE = "IssuerUnusable"
    ANOTHER_POLICY = "AnotherPolicy"
    CA_ADDED = "CaAdded"
    CA_REPLACED = "CaReplaced"
    CA_RETIRING = "CaRetiring"
    RELOAD_PENDING = "ReloadPending"
    RELOAD_REFUSED = "ReloadRefused"
    RESTART_NEEDED = "RestartNeeded"
    OLD_SERVER = "OldServer"
    CA_ENDS_FIRST = "CaEndsFirst"
    CONFIG_MAP_CONFLICT = "ConfigMapConflict"
    NETWORK_POLICY_CONFLICT = "NetworkPolicyConflict"
    NETWORK_UNKNOWN = "NetworkUnknown"
    AS_DECLARED = "AsDeclared"
    NO_PODS = "NoPods"
    NO_ENDPOINT = "NoEndpoint"
    DISTRIBUTED = "Distributed"
    NOT_DISTRIBUTED = "NotDistributed"
    REVOCATION_PENDING = "RevocationPending"
    NEAR_LIMIT = "NearLimit"
    REVOCATIONS_FULL = "RevocationsFull"
    PUSH_REFUSED = "PushRefused"
    NATS_UNAVAILABLE = "NatsUnavailable"
    NATS_REFUSED = "NatsRefused"
    CONNECTED = "Connected"
    WRITTEN = "Written"
    IN_USE = "InUse"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it should be; times and generation are added when it meets the status."""

    type: str
    status: Status
    reason: Reason
    message: str


def ready(message: str, *, reason: Reason = Reason.ISSUED) -> tuple[Condition, ...]:
    """It works."""
    return (Condition(READY, "True", reason, message),)


def waiting(reason: Reason, message: str) -> tuple[Condition, ...]:
    """Not there yet, and time or another object will get it there: kstatus InProgress."""
    return (Condition(READY, "False", reason, message), Condition(RECONCILING, "True", reason, message))


def stalled(reason: Reason, message: str) -> tuple[Condition, ...]:
    """Nothing will help but a change of a spec: kstatus Failed."""
    return (Condition(READY, "False", reason, message), Condition(STALLED, "True", reason, message))


def merge(
    previous: Sequence[Mapping[str, Any]], wanted: Iterable[Condition], *, generation: int, now: str
) -> list[dict[str, Any]]:
    """Return the ``conditions`` list as wanted, each keeping its ``lastTransitionTime`` while its status stays."""
    since = {(c.get("type"), c.get("status")): c.get("lastTransitionTime") for c in previous}
    return [
        {
            "type": c.type,
            "status": c.status,
            "reason": str(c.reason),
            "message": c.message[:_MESSAGE_LIMIT],
            "lastTransitionTime": since.get((c.type, c.status)) or now,
            "observedGeneration": generation,
        }
        for c in wanted
    ]


def message_of(status: Mapping[str, Any], kind: str) -> str:
    """Return the message a condition of this type gave last, or an empty string."""
    return next((str(c.get("message", "")) for c in status.get("conditions") or () if c.get("type") == kind), "")


def reason_of(status: Mapping[str, Any], kind: str) -> str:
    """Return the reason a condition of this type gave last, or an empty string."""
    return next((str(c.get("reason", "")) for c in status.get("conditions") or () if c.get("type") == kind), "")
