"""One identity's plan: what to write, what to revoke, what to let go, and what to tell.

The same for every kind; differences are data. The plan is level-triggered: it is computed from what is wanted and what
exists, never from what happened, so that it is right after any crash between any two of its effects.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iotsec.decide import conditions, names
from iotsec.decide.conditions import Reason
from iotsec.decide.credential import Credential, credential
from iotsec.decide.grant import Grant, RefusedError, grant
from iotsec.decide.ledger import Revocation
from iotsec.decide.rotation import renewal_time
from iotsec.decide.secrets import Issued, SecretFacts, SecretManifest
from iotsec.decide.times import rfc3339, unix
from iotsec.decide.views import HubView, Identity, Observed

_CREDENTIALS = conditions.Condition(
    conditions.CREDENTIALS_ISSUED, "True", Reason.ISSUED, "The Secret holds a valid credential"
)


@dataclass(frozen=True, slots=True)
class SecretWrite:
    """One Secret to create, or to bring from what it is to what it should be."""

    manifest: SecretManifest
    replaces: SecretFacts | None
    """``None``: create it, and only if no Secret of that name exists."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one identity, in this order."""

    add_finalizer: bool = False
    read_secret: SecretFacts | None = None
    """Nothing else can be decided before the data of this Secret is read."""
    write: SecretWrite | None = None
    drop: tuple[SecretFacts, ...] = ()
    """Secrets of ours to let go and delete."""
    revoke: tuple[Revocation, ...] = ()
    """What must be refused and is not yet, on every reachable server."""
    status: Mapping[str, Any] | None = None
    """The status as it should be; ``None`` where the object is about to go."""
    release: bool = False
    """Everything is cut off: take the finalizer away."""
    due: int | None = None
    """The unix second at which to look again, though nothing happens."""
    settled: bool = True
    """Nothing is being waited for at the Hub."""
    action: str = ""
    """What is done, for the log; empty where nothing is."""


def plan_identity(
    identity: Identity, hub: HubView | None, observed: Observed, *, now: int, entropy: Callable[[], bytes]
) -> Plan:
    """Decide everything about one identity; ``now`` in unix seconds, ``entropy`` gives 32 random bytes."""
    if identity.deleting:
        return _plan_deletion(identity, hub, observed, now=now)
    current = _current(identity, observed)
    try:
        granted = grant(identity, hub, observed)
    except RefusedError as error:
        return _plan_refusal(identity, hub, observed, current, error, now=now)
    assert hub is not None  # noqa: S101 - `grant` refuses a missing Hub
    if observed.foreign_secret and (current is None or current.name != _secret_name(identity)):
        name = _secret_name(identity)
        conflict = RefusedError(
            Reason.SECRET_CONFLICT,
            f"Secret {name} exists and is not ours: set spec.secretName, or delete that Secret",
        )
        return _plan_refusal(identity, hub, observed, current, conflict, now=now)
    if identity.spec.suspended:
        return _plan_suspension(identity, hub, observed, current, granted, now=now)
    return _plan_credential(identity, hub, observed, current, granted, now=now, entropy=entropy)


def _plan_credential(
    identity: Identity,
    hub: HubView,
    observed: Observed,
    current: SecretFacts | None,
    granted: Grant,
    *,
    now: int,
    entropy: Callable[[], bytes],
) -> Plan:
    made = credential(
        identity,
        granted,
        current,
        observed.contents,
        secret_name=_secret_name(identity),
        lost=_lost(identity, hub, current, now),
        now=now,
        entropy=entropy,
    )
    if made is None:
        return Plan(read_secret=current)
    issued = made.issued
    pending = _pending(hub, issued.superseded, now)
    stale = tuple(s for s in observed.secrets if s is not current or made.moves)
    renewal = renewal_time(
        issued_at=issued.issued_at,
        expires_at=issued.expires_at,
        renew_before=granted.renew_before,
        salt=identity.uid,
    )
    wanted, settled = _credential_conditions(hub, granted, pending)
    if not settled and _nothing_learned(identity, granted, issued, pending, Reason.ISSUED):
        wanted = _issued_conditions(granted)
    return Plan(
        add_finalizer=not identity.finalized,
        write=_write(made, current),
        drop=stale,
        revoke=pending,
        status=_status(identity, wanted, now=now, granted=granted, issued=issued, renewal=renewal),
        due=renewal,
        settled=settled,
        action=made.action,
    )


def _write(made: Credential, current: SecretFacts | None) -> SecretWrite | None:
    if made.manifest is None:
        return None
    in_place = current is not None and not made.moves
    return SecretWrite(made.manifest, current if in_place else None)


def _credential_conditions(
    hub: HubView, granted: Grant, pending: tuple[Revocation, ...]
) -> tuple[tuple[conditions.Condition, ...], bool]:
    if pending:
        reason = Reason.NATS_UNAVAILABLE if hub.problem else Reason.REVOCATION_PENDING
        message = hub.problem or "the servers are being told to refuse the superseded credential"
        return (*conditions.waiting(reason, message), _CREDENTIALS), False
    if granted.signer.public not in granted.account.signers_live:
        reason = Reason.NATS_UNAVAILABLE if hub.problem else Reason.HUB_NOT_READY
        message = hub.problem or "the servers do not run this account's current JWT yet"
        return (*conditions.waiting(reason, message), _CREDENTIALS), False
    return _issued_conditions(granted), True


def _issued_conditions(granted: Grant) -> tuple[conditions.Condition, ...]:
    message = f"May connect as {granted.name} to account {granted.account_name}"
    if granted.unbounded:
        message += f"; reaches every subject by {', '.join(granted.unbounded)}"
    return (*conditions.ready(message), _CREDENTIALS)


def _nothing_learned(
    identity: Identity, granted: Grant, issued: Issued | None, pending: tuple[Revocation, ...], reason: Reason
) -> bool:
    """Tell whether the status was settled and nothing was heard of the servers since we started.

    A restart of the operator while NATS is away is no news about any identity.
    """
    status = identity.status
    account = granted.account
    return (
        account.live is None
        and issued is not None
        and status.get("observedGeneration") == identity.generation
        and status.get("issuedAt") == rfc3339(issued.issued_at)
        and conditions.reason_of(status, conditions.READY) == reason
        and all(account.recorded.covers(revocation) for revocation in pending)
    )


def _plan_suspension(
    identity: Identity, hub: HubView, observed: Observed, current: SecretFacts | None, granted: Grant, *, now: int
) -> Plan:
    pending = _pending(hub, _everything(identity, hub, observed, now), now)
    issued = current.issued if current else None
    wanted: tuple[conditions.Condition, ...]
    if pending and not _nothing_learned(identity, granted, issued, pending, Reason.SUSPENDED):
        wanted = conditions.waiting(Reason.REVOCATION_PENDING, hub.problem or "it is being cut off on every server")
    else:
        message = "Suspended: every server refuses it; set spec.suspended to false to let it in again"
        wanted = (conditions.Condition(conditions.READY, "False", Reason.SUSPENDED, message),)
    return Plan(
        add_finalizer=not identity.finalized and issued is not None,
        revoke=pending,
        status=_status(identity, wanted, now=now, granted=granted, issued=issued, renewal=None),
        settled=not pending,
    )


def _plan_refusal(
    identity: Identity,
    hub: HubView | None,
    observed: Observed,
    current: SecretFacts | None,
    error: RefusedError,
    *,
    now: int,
) -> Plan:
    """Tell why; what was granted before stays as it is, unless the reason is that it must not be."""
    must_end: Iterable[Revocation] = ()
    if hub is not None:
        superseded = current.issued.superseded if current and current.issued else ()
        must_end = _everything(identity, hub, observed, now) if error.cut else superseded
    pending = _pending(hub, must_end, now)
    make = conditions.stalled if error.stalled else conditions.waiting
    wanted = make(error.reason, error.message)
    issued = current.issued if current else None
    return Plan(
        revoke=pending,
        status=_status(identity, wanted, now=now, granted=None, issued=issued, renewal=None),
        settled=error.stalled and not pending,
    )


def _plan_deletion(identity: Identity, hub: HubView | None, observed: Observed, *, now: int) -> Plan:
    """Cut off first, then let the Secrets go, then the object: after a crash anywhere the rest is still known."""
    if observed.hub_trouble and hub is None and observed.secrets:
        # The accounts are there, and nobody can sign what would cut this identity off.
        wanted = conditions.waiting(Reason.HUB_NOT_READY, observed.hub_trouble)
        return Plan(status=_status(identity, wanted, now=now, granted=None, issued=None, renewal=None), settled=False)
    pending = _pending(hub, _everything(identity, hub, observed, now), now)
    if pending:
        reason = Reason.NATS_UNAVAILABLE if hub and hub.problem else Reason.DELETING
        message = (hub.problem if hub else "") or "it is being cut off on every server"
        return Plan(
            revoke=pending,
            status=_status(
                identity, conditions.waiting(reason, message), now=now, granted=None, issued=None, renewal=None
            ),
            settled=False,
        )
    return Plan(drop=observed.secrets, release=identity.finalized, action="cut-off")


def plan_orphan(secret: SecretFacts, hub: HubView | None, *, now: int) -> Plan:
    """Decide about a creds Secret whose identity vanished without us: revoke what it held, then let it go."""
    issued = secret.issued
    held = (*issued.superseded, issued.revocation()) if issued else ()
    pending = _pending(hub, held, now)
    if pending:
        return Plan(revoke=pending, settled=False)
    return Plan(drop=(secret,), action="cut-off-orphan")


def _current(identity: Identity, observed: Observed) -> SecretFacts | None:
    """Return the Secret that holds the identity's credential: the one of the wanted name, else the newest."""
    name = _secret_name(identity)
    return max(
        observed.secrets,
        key=lambda s: (s.name == name, s.issued.issued_at if s.issued else 0),
        default=None,
    )


def _everything(identity: Identity, hub: HubView | None, observed: Observed, now: int) -> tuple[Revocation, ...]:
    """Return what cuts off all that was ever issued to the identity and may still be valid."""
    revocations = [
        revocation
        for secret in observed.secrets
        if secret.issued is not None
        for revocation in (*secret.issued.superseded, secret.issued.revocation())
    ]
    current = _current(identity, observed)
    if hub is not None and (lost := _lost(identity, hub, current, now)) is not None:
        revocations.append(lost)
    return tuple(revocations)


def _lost(identity: Identity, hub: HubView, current: SecretFacts | None, now: int) -> Revocation | None:
    """Return what the status says was issued where no Secret says so any more."""
    status = identity.status
    key, account = status.get("publicKey"), hub.accounts.get(status.get("account", ""))
    if current is not None and current.issued is not None:
        return None
    if not key or account is None or not status.get("issuedAt") or not status.get("expiresAt"):
        return None
    until = unix(status["expiresAt"])
    if until < now:
        return None
    return Revocation(account.keys.identity.public, key, unix(status["issuedAt"]), until)


def _pending(hub: HubView | None, wanted: Iterable[Revocation], now: int) -> tuple[Revocation, ...]:
    """Return what is not refused yet on every reachable server; an account that is gone refuses everything."""
    pending = []
    for revocation in wanted:
        account = hub.account_by_key(revocation.account) if hub else None
        if account is None or revocation.until < now:
            continue
        if account.live is None or not account.live.covers(revocation):
            pending.append(revocation)
    return tuple(pending)


def _secret_name(identity: Identity) -> str:
    return identity.spec.secret_name or names.creds_secret(identity.kind, identity.name)


def _status(
    identity: Identity,
    wanted: tuple[conditions.Condition, ...],
    *,
    now: int,
    granted: Grant | None,
    issued: Issued | None,
    renewal: int | None,
) -> dict[str, Any]:
    previous = identity.status
    status: dict[str, Any] = {
        "observedGeneration": identity.generation,
        "conditions": conditions.merge(
            previous.get("conditions") or (), wanted, generation=identity.generation, now=rfc3339(now)
        ),
    }
    if issued is None and granted is None:
        # What was known stays known: it is what a lost Secret is revoked by.
        kept = ("deviceId", "account", "role", "publicKey", "secretName", "issuedAt", "expiresAt", "revision")
        return status | {key: previous[key] for key in kept if key in previous}
    if granted is not None:
        status |= {"deviceId": identity.id, "account": granted.account_name, "role": identity.role}
    else:
        status |= {key: previous[key] for key in ("deviceId", "account", "role") if key in previous}
    if issued is not None:
        status |= {
            "publicKey": issued.key,
            "secretName": _secret_name(identity) if granted else previous.get("secretName", _secret_name(identity)),
            "issuedAt": rfc3339(issued.issued_at),
            "expiresAt": rfc3339(issued.expires_at),
            "revision": issued.revision,
        }
    if renewal is not None:
        status["renewalTime"] = rfc3339(renewal)
    return status
