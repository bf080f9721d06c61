"""What an identity's status says: its conditions, and plain facts that stay known when a Secret is lost."""

from collections.abc import Mapping
from typing import Any

from iotsec.decide import conditions, foreign_certificate
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.cutoff import is_recorded
from iotsec.decide.foreign_certificate import Foreign
from iotsec.decide.grant import Grant
from iotsec.decide.issued import Issued
from iotsec.decide.ledger import Revocation
from iotsec.decide.occasion import Occasion
from iotsec.decide.presence import FIELDS
from iotsec.decide.times import rfc3339
from iotsec.decide.views import Declared, HubView

# What a lost Secret is revoked by, and by whom an id is held.
_KEPT = (
    *("id", "account", "role", "publicKey", "keyIssuedAt", "issuedAt", "expiresAt", "revision", "formerKeys"),
    *("rotated", "restartedAt", "certificate", foreign_certificate.FIELD, *FIELDS),
)

_FORMERS_TOLD = 16  # as many as the API takes; there are more only where somebody rotates by hand day after day

_CREDENTIALS = Condition(conditions.CREDENTIALS_ISSUED, "True", Reason.ISSUED, "the Secret holds a valid credential")


def identity_status(
    identity: Declared,
    wanted: tuple[Condition, ...],
    *,
    now: int,
    granted: tuple[str, str, str] | None = None,
    secret: str = "",
    issued: Issued | None = None,
    account: str = "",
    renewal: int | None = None,
    holds_id: bool = True,
    certificate: Mapping[str, Any] | None = None,
    foreign: tuple[Foreign, ...] | None = (),
) -> dict[str, Any]:
    """Return the whole status.

    ``granted``: id, account and role now in force, else those it says already stay; ``secret``: the Secret there is;
    ``account``: where ``issued`` is valid; ``holds_id``: whether the id that was issued is still the identity's;
    ``certificate``: empty where it has none, ``None`` where what is said of it already stays; ``foreign``: those of
    others that it was seen to show, ``None`` where nobody looked yet.
    """
    previous = identity.status
    status: dict[str, Any] = {
        "observedGeneration": identity.generation,
        "conditions": conditions.merge(
            previous.get("conditions") or (), wanted, generation=identity.generation, now=rfc3339(now)
        ),
        **{key: previous[key] for key in _KEPT if key in previous},
    }
    if granted is not None:
        status |= zip(("id", "account", "role"), granted, strict=True)
    if issued is not None:
        status.pop("formerKeys", None)
        status |= _credential(issued, now=now)
    if issued is not None and account:
        status["account"] = account
    if not holds_id:
        status.pop("id", None)
    if secret:
        status["secretName"] = secret
    if renewal is not None:
        status["renewalTime"] = rfc3339(renewal)
    if (seen := foreign_certificate.told(previous, foreign or (), now)) is not None:
        status[foreign_certificate.FIELD] = seen
    if certificate is not None:
        status["certificate"] = dict(certificate)
    return {name: value for name, value in status.items() if name != "certificate" or value}


def _credential(issued: Issued, *, now: int) -> dict[str, Any]:
    formers = _former_keys(issued, now)
    return {
        "id": issued.id,
        "publicKey": issued.key,
        "keyIssuedAt": rfc3339(issued.key_at),
        "issuedAt": rfc3339(issued.issued_at),
        "expiresAt": rfc3339(issued.expires_at),
        "revision": issued.revision,
        **({"formerKeys": formers} if formers else {}),
        **({"rotated": list(issued.heeded)} if issued.heeded else {}),
    }


def _former_keys(issued: Issued, now: int) -> list[dict[str, str]]:
    """Return the keys that still work beside the one in use: not their Secret alone shall know of them."""
    working = [
        {"publicKey": f.key, "issuedAt": rfc3339(f.issued_at), "expiresAt": rfc3339(f.expires_at)}
        for f in issued.formers
        if f.key != issued.key and now < f.ends_at
    ]
    return working[-_FORMERS_TOLD:]


def credential_conditions(
    hub: HubView, granted: Grant, issued: Issued, superseded: tuple[Revocation, ...]
) -> tuple[tuple[Condition, ...], bool]:
    """Return the conditions of an identity that has a credential, and whether nothing is waited for."""
    if superseded:
        reason = Reason.NATS_UNAVAILABLE if hub.problem else Reason.REVOCATION_PENDING
        message = hub.problem or "the servers are being told to refuse the superseded credential"
        return (*conditions.waiting(reason, message), _CREDENTIALS), False
    if issued.signer not in granted.account.signers_live:
        reason = Reason.NATS_UNAVAILABLE if hub.problem else Reason.HUB_NOT_READY
        message = hub.problem or "the servers do not run this account's current JWT yet"
        return (*conditions.waiting(reason, message), _CREDENTIALS), False
    return issued_conditions(granted), True


def issued_conditions(granted: Grant) -> tuple[Condition, ...]:
    """Return the conditions of an identity that may connect."""
    message = f"may connect as {granted.name} to account {granted.account_name}"
    if granted.unbounded:
        message += f"; reaches every subject by {', '.join(granted.unbounded)}"
    return (*conditions.ready(message), _CREDENTIALS)


def rotation_conditions(issued: Issued, coming: Occasion, *, over: bool, now: int) -> tuple[Condition, ...]:
    """Return what is to be known of a rotation under way, or of one that will be late; ``over``: an overlap just is."""
    found = []
    overlapping = issued.overlapping(now)
    if over:
        message = "the servers are being told to refuse the former credential, whose overlap is over"
        found.append(Condition(conditions.ROTATING, "True", Reason.REVOCATION_PENDING, message))
    elif overlapping:
        what = "key" if any(former.key != issued.key for former in overlapping) else "JWT"
        until = rfc3339(max(former.ends_at for former in overlapping))
        message = f"the former {what} works beside the new one until {until}"
        found.append(Condition(conditions.ROTATING, "True", Reason.OVERLAP, message))
    if coming.window_missed:
        message = (
            f"no window opens in time: it is replaced at {rfc3339(coming.due)}, outside of all windows; "
            "set wider or more frequent windows, or an earlier renewal"
        )
        found.append(Condition(conditions.ROTATION_WINDOW_MISSED, "True", Reason.NO_WINDOW_IN_TIME, message))
    return tuple(found)


def foreign_conditions(status: Mapping[str, Any], foreign: tuple[Foreign, ...] | None) -> tuple[Condition, ...]:
    """Return what is to be known where it shows somebody else's certificate; before anybody looked, what is told."""
    if foreign is None:
        message = conditions.message_of(status, conditions.FOREIGN_CERTIFICATE)
        told = Condition(conditions.FOREIGN_CERTIFICATE, "True", Reason.FOREIGN_CERTIFICATE, message)
        return (told,) if message else ()
    if not foreign:
        return ()
    message = foreign_certificate.message(foreign)
    return (Condition(conditions.FOREIGN_CERTIFICATE, "True", Reason.FOREIGN_CERTIFICATE, message),)


def suspended_conditions() -> tuple[Condition, ...]:
    """Return the conditions of an identity that every server refuses, as its spec asks for."""
    message = "suspended: every server refuses it; set spec.suspended to false to let it in again"
    return (Condition(conditions.READY, "False", Reason.SUSPENDED, message),)


def nothing_learned(
    identity: Declared,
    hub: HubView,
    granted: Grant,
    *,
    issued: Issued | None,
    pending: tuple[Revocation, ...],
    reason: Reason,
) -> bool:
    """Tell whether the status was settled and nothing was heard of the servers since we started.

    A restart of the operator while NATS is away is no news about any identity.
    """
    status = identity.status
    return (
        granted.account.live is None
        and issued is not None
        and status.get("observedGeneration") == identity.generation
        and (status.get("publicKey"), status.get("issuedAt")) == (issued.key, rfc3339(issued.issued_at))
        and conditions.reason_of(status, conditions.READY) == reason
        and all(is_recorded(hub, revocation) for revocation in pending)
    )
