"""One identity's plan: what to write, what to revoke, what to let go, and what to tell.

The same for every kind; differences are data. The plan is level-triggered: it is computed from what is wanted and what
exists, never from what happened, so that it is right after any crash between any two of its effects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from iotsec.decide import conditions, cutoff, names, workload
from iotsec.decide.conditions import Reason
from iotsec.decide.credential import Circumstances, Credential, MustRead, credential
from iotsec.decide.grant import Grant, grant
from iotsec.decide.identity_status import (
    credential_conditions,
    identity_status,
    issued_conditions,
    nothing_learned,
    rotation_conditions,
    suspended_conditions,
)
from iotsec.decide.issued import Issued
from iotsec.decide.ledger import Revocation
from iotsec.decide.obstacle import check_obstacle
from iotsec.decide.occasion import occasion
from iotsec.decide.refusal import RefusedError
from iotsec.decide.secrets import SecretFacts, SecretManifest
from iotsec.decide.views import Declared, HubView, Identity, Observed
from iotsec.decide.workload import Restart


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
    """Nothing else but what must be revoked can be decided before the data of this Secret is read."""
    deadline: int | None = None
    """Until when, in unix seconds, all of it may wait for its turn; ``None`` where it may not wait."""
    write: SecretWrite | None = None
    drop: tuple[SecretFacts, ...] = ()
    """Secrets of ours to let go and delete."""
    revoke: tuple[Revocation, ...] = ()
    """What must be refused and is not yet, on every reachable server."""
    restart: Restart | None = None
    """The workload whose pods have yet to get what the Secret holds."""
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
    identity: Declared, hub: HubView | None, observed: Observed, *, now: int, entropy: Callable[[], bytes]
) -> Plan:
    """Decide everything about one identity; ``now`` in unix seconds, ``entropy`` gives 32 random bytes."""
    observed = replace(observed, secrets=tuple(cutoff.vouched(secret, hub) for secret in observed.secrets))
    if identity.deleting:
        return _plan_deletion(identity, hub, observed, now=now)
    try:
        if not isinstance(identity, Identity):
            raise RefusedError(Reason.INVALID_SPEC, identity.fault)  # noqa: TRY301 - refused like all others
        granted = grant(identity, hub, observed)
        assert hub is not None  # noqa: S101 - `grant` refuses a missing Hub
        current = _current(identity, observed)
        if identity.spec.suspended:
            return _plan_suspension(identity, hub, observed, current, granted, now=now)
        check_obstacle(observed, secret_name(identity), current)
    except RefusedError as error:
        return _plan_refusal(identity, hub, observed, error, now=now)
    return _plan_credential(identity, hub, observed, current, granted, now=now, entropy=entropy)


def secret_name(identity: Identity) -> str:
    """Return the name of an identity's creds Secret."""
    return identity.spec.secret_name or names.creds_secret(identity.kind, identity.name)


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
    if hub.ending and current is None and "publicKey" not in identity.status:
        why = RefusedError(Reason.HUB_NOT_READY, "its Hub is being deleted: nobody new gets credentials", stalled=False)
        return _plan_refusal(identity, hub, observed, why, now=now)
    lost = cutoff.lost(identity, hub, observed.secrets, now=now)
    if lost and current and current.issued and cutoff.is_recorded(hub, lost):
        lost = None  # ended before what the Secret holds was issued
    around = Circumstances(
        hub=hub,
        secret_name=secret_name(identity),
        lost=lost,
        lost_formers=cutoff.lost_formers(identity, hub, observed.secrets, now=now),
        now=now,
        entropy=entropy,
    )
    made = credential(identity, granted, current, observed.contents, around)
    if isinstance(made, MustRead):
        ended = (*current.issued.superseded, *current.issued.over(now)) if current and current.issued else ()
        return Plan(read_secret=current, deadline=made.deadline, revoke=cutoff.pending(hub, ended, now=now))
    issued = made.issued
    stale = tuple(s for s in observed.secrets if s is not current and (s.issued is not None or s.deleting))
    abandoned = {s.uid: cutoff.pending(hub, _beside(s, issued), now=now) for s in stale}
    superseded = cutoff.pending(hub, issued.superseded, now=now)
    superseded = (*superseded, *(r for rest in abandoned.values() for r in rest))
    over = cutoff.pending(hub, issued.over(now), now=now)
    pending = (*superseded, *over)
    coming = made.coming or occasion(identity, granted, current, issued, now=now)
    wanted, settled = credential_conditions(hub, granted, issued, superseded)
    if not settled and nothing_learned(identity, hub, granted, issued=issued, pending=pending, reason=Reason.ISSUED):
        wanted = issued_conditions(granted)
    status = identity_status(
        identity,
        (*wanted, *rotation_conditions(issued, coming, over=bool(over), now=now)),
        now=now,
        granted=(identity.id, granted.account_name, identity.role),
        secret=secret_name(identity),
        issued=issued,
        renewal=coming.due,
    )
    restart = workload.owed(identity, issued)
    return Plan(
        add_finalizer=not identity.finalized,
        deadline=made.deadline,
        write=_write(made, current),
        drop=(*((current,) if made.moves and current else ()), *(s for s in stale if not abandoned[s.uid])),
        revoke=pending,
        restart=restart,
        status=workload.with_restart(status, identity, restart),
        due=min(filter(None, (coming.due, issued.next_end(now)))),
        settled=settled and not over,
        action=made.action,
    )


def _beside(stale: SecretFacts, issued: Issued) -> tuple[Revocation, ...]:
    """Return what a Secret that is to go holds and the credential of now does not continue."""
    held = stale.issued
    if held is None:
        return ()
    continues = (held.account, held.key) == (issued.account, issued.key) and held.issued_at <= issued.issued_at
    return held.superseded if continues else held.everything()


def _write(made: Credential, current: SecretFacts | None) -> SecretWrite | None:
    if made.manifest is None:
        return None
    return SecretWrite(made.manifest, None if made.moves else current)


def _plan_suspension(
    identity: Identity, hub: HubView, observed: Observed, current: SecretFacts | None, granted: Grant, *, now: int
) -> Plan:
    """Cut off and keep the Secret, for the day it may come back; one that somebody deletes may go."""
    pending = cutoff.pending(hub, cutoff.everything(identity, hub, observed.secrets, now=now), now=now)
    issued = current.issued if current else None
    wanted = suspended_conditions()
    if pending and not nothing_learned(identity, hub, granted, issued=issued, pending=pending, reason=Reason.SUSPENDED):
        wanted = conditions.waiting(Reason.REVOCATION_PENDING, hub.problem or "it is being cut off on every server")
    never_issued = issued is None and "publicKey" not in identity.status
    drop = () if pending else tuple(s for s in observed.secrets if s.deleting)
    return Plan(
        add_finalizer=not identity.finalized and issued is not None,
        drop=drop,
        revoke=pending,
        status=identity_status(
            identity,
            wanted,
            now=now,
            granted=(identity.id, granted.account_name, identity.role) if never_issued else None,
            secret=current.name if current and current not in drop else "",
            issued=issued,
            account=hub.account_name(issued.account) if issued else "",
        ),
        settled=not pending,
    )


def _plan_refusal(
    identity: Declared, hub: HubView | None, observed: Observed, error: RefusedError, *, now: int
) -> Plan:
    """Tell why; what was granted before stays, unless it must not be, or is for an id or a key it has no longer."""
    current = _current(identity, observed)
    issued = current.issued if current else None
    gave_up = isinstance(identity, Identity) and _gave_up(identity, current)
    suspended = isinstance(identity, Identity) and identity.spec.suspended
    if error.cut or gave_up or suspended:
        must_end = cutoff.everything(identity, hub, observed.secrets, now=now)
    else:
        must_end = tuple(r for s in observed.secrets if s.issued for r in (*s.issued.superseded, *s.issued.over(now)))
    pending = cutoff.pending(hub, must_end, now=now)
    make = conditions.stalled if error.stalled else conditions.waiting
    return Plan(
        revoke=pending,
        status=identity_status(
            identity,
            (*make(error.reason, error.message), *workload.pending_conditions(identity, issued, error.reason)),
            now=now,
            secret=current.name if current else "",
            issued=issued,
            account=hub.account_name(issued.account) if hub and issued else "",
            holds_id=bool(pending) or not gave_up or hub is None,
        ),
        settled=error.stalled and not pending,
    )


def _gave_up(identity: Identity, current: SecretFacts | None) -> bool:
    """Tell whether the spec names another id or key than what was issued: that one is free for others now."""
    issued = current.issued if current else None
    held = issued.id if issued else identity.status.get("id", identity.id)
    key = issued.key if issued else identity.status.get("publicKey")
    return held != identity.id or (key is not None and identity.spec.public_key not in (None, key))


def _plan_deletion(identity: Declared, hub: HubView | None, observed: Observed, *, now: int) -> Plan:
    """Cut off first, then let the Secrets go, then the object: after a crash anywhere the rest is still known."""
    pending = cutoff.pending(hub, cutoff.everything(identity, hub, observed.secrets, now=now), now=now)
    wanted: tuple[conditions.Condition, ...] = ()
    if hub is None and observed.hub_trouble and (observed.secrets or "publicKey" in identity.status):
        # The accounts are there, and nobody can sign what would cut this identity off.
        wanted = conditions.waiting(Reason.HUB_NOT_READY, observed.hub_trouble)
    elif pending:
        reason = Reason.NATS_UNAVAILABLE if hub and hub.problem else Reason.DELETING
        wanted = conditions.waiting(reason, (hub.problem if hub else "") or "it is being cut off on every server")
    if wanted:
        current = _current(identity, observed)
        status = identity_status(identity, wanted, now=now, secret=current.name if current else "")
        return Plan(revoke=pending, status=status, settled=False)
    return Plan(drop=observed.secrets, release=identity.finalized, action="cut-off")


def plan_orphan(secret: SecretFacts, hub: HubView | None, *, now: int) -> Plan:
    """Decide about a creds Secret whose identity vanished without us: revoke what it held, then let it go.

    One that we never wrote so, a copy perhaps, says nothing and is not ours to delete; but it shall not wait for us.
    """
    issued = secret.issued
    account_gone = hub is None or (issued is not None and hub.account_by_key(issued.account) is None)
    ours = secret.owner is not None and (account_gone or cutoff.vouched(secret, hub).issued is not None)
    if not ours or issued is None:
        return Plan(drop=(secret,) if secret.deleting and secret.finalized else ())
    pending = cutoff.pending(hub, issued.everything(), now=now)
    if pending:
        return Plan(revoke=pending, settled=False)
    return Plan(drop=(secret,), action="cut-off-orphan")


def plan_write_refused(identity: Declared, message: str, *, now: int) -> Plan:
    """Tell that the API server does not take the Secret, instead of what would be true if it had."""
    wanted = conditions.waiting(Reason.SECRET_REFUSED, f"the API server refuses the Secret: {message}")
    secret = str(identity.status.get("secretName", ""))
    return Plan(status=identity_status(identity, wanted, now=now, secret=secret), settled=False)


def _current(identity: Declared, observed: Observed) -> SecretFacts | None:
    """Return the Secret that holds the identity's credential: the one of the wanted name, else the newest of ours."""
    name = secret_name(identity) if isinstance(identity, Identity) else identity.status.get("secretName", "")
    return max(
        (s for s in observed.secrets if s.name == name or s.issued is not None),
        key=lambda s: (s.name == name, s.issued.issued_at if s.issued else 0),
        default=None,
    )
