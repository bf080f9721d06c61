"""One identity's plan: what to write, what to revoke, what to let go, and what to tell.

The same for every kind; differences are data. The plan is level-triggered: it is computed from what is wanted and what
exists, never from what happened, so that it is right after any crash between any two of its effects.
"""

from collections.abc import Callable
from dataclasses import replace

from iotsec.decide import conditions, cutoff, identity_secrets, workload
from iotsec.decide.certificate import plan_certificate
from iotsec.decide.certificate_cutoff import every_certificate, pending_certificates, superseded_certificates
from iotsec.decide.certificate_issue import Making
from iotsec.decide.certificate_standing import CertificatePlan
from iotsec.decide.certificate_status import held_status, planned_status, with_certificate
from iotsec.decide.conditions import Reason
from iotsec.decide.credential import Credential, MustRead, credential
from iotsec.decide.ending import plan_deletion, plan_suspension
from iotsec.decide.grant import Grant, grant
from iotsec.decide.identity_secrets import credentials_of, current_certificate, current_credential
from iotsec.decide.identity_status import (
    credential_conditions,
    foreign_conditions,
    identity_status,
    issued_conditions,
    nothing_learned,
    rotation_conditions,
)
from iotsec.decide.issuance import Circumstances
from iotsec.decide.issued import Issued
from iotsec.decide.ledger import Revocation
from iotsec.decide.network_status import module_network_conditions
from iotsec.decide.obstacle import check_obstacle
from iotsec.decide.occasion import occasion
from iotsec.decide.plan import Plan
from iotsec.decide.refusal import RefusedError
from iotsec.decide.secrets import SecretFacts, SecretWrite
from iotsec.decide.views import Declared, HubView, Identity, Observed
from iotsec.x509.keys import KeyType, PrivateKey


def plan_identity(
    identity: Declared,
    hub: HubView | None,
    observed: Observed,
    *,
    now: int,
    entropy: Callable[[], bytes],
    make_key: Callable[[KeyType], PrivateKey],
) -> Plan:
    """Decide everything about one identity.

    ``now`` in unix seconds; ``entropy`` gives 32 random bytes, ``make_key`` a new private key for a certificate.
    """
    observed = replace(observed, secrets=tuple(cutoff.vouched(secret, hub) for secret in observed.secrets))
    if identity.deleting:
        return plan_deletion(identity, hub, observed, now=now)
    try:
        if not isinstance(identity, Identity):
            raise RefusedError(Reason.INVALID_SPEC, identity.fault)  # noqa: TRY301 - refused like all others
        granted = grant(identity, hub, observed)
        assert hub is not None  # noqa: S101 - `grant` refuses a missing Hub
        if identity.spec.suspended:
            return plan_suspension(identity, hub, observed, granted, now=now)
        check_obstacle(observed, identity)
        _check_not_ending(identity, hub, observed)
    except RefusedError as error:
        return _plan_refusal(identity, hub, observed, error, now=now)
    making = Making(now=now, entropy=entropy, make_key=make_key, placed=observed.placed)
    return _plan_credential(identity, hub, observed, granted, making)


def _check_not_ending(identity: Identity, hub: HubView, observed: Observed) -> None:
    """Check that nobody new asks a Hub that is being deleted; raises `RefusedError`."""
    if hub.ending and current_credential(identity, observed.secrets) is None and "publicKey" not in identity.status:
        message = "its Hub is being deleted: nobody new gets credentials"
        raise RefusedError(Reason.HUB_NOT_READY, message, stalled=False)


def _plan_credential(identity: Identity, hub: HubView, observed: Observed, granted: Grant, making: Making) -> Plan:
    now, secrets = making.now, credentials_of(identity, observed.secrets)
    current = current_credential(identity, secrets)
    lost = cutoff.lost(identity, hub, secrets, now=now)
    if lost and current and current.issued and cutoff.is_recorded(hub, lost):
        lost = None  # ended before what the Secret holds was issued
    around = Circumstances(
        hub=hub,
        secret_name=identity_secrets.credential(identity),
        lost=lost,
        lost_formers=cutoff.lost_formers(identity, hub, secrets, now=now),
        now=now,
        entropy=making.entropy,
    )
    made = credential(identity, granted, current, observed.contents, around)
    if isinstance(made, MustRead):
        ended = (*current.issued.superseded, *current.issued.over(now)) if current and current.issued else ()
        return Plan(read_secret=current, deadline=made.deadline, revoke=cutoff.pending(hub, ended, now=now))
    certificate = plan_certificate(identity, hub, granted, observed, making)
    issued = made.issued
    stale = tuple(s for s in secrets if s is not current and (s.issued is not None or s.deleting))
    abandoned = {s.uid: cutoff.pending(hub, _beside(s, issued), now=now) for s in stale}
    superseded = cutoff.pending(hub, issued.superseded, now=now)
    superseded = (*superseded, *(r for rest in abandoned.values() for r in rest))
    over = cutoff.pending(hub, issued.over(now), now=now)
    pending = (*superseded, *over)
    deadline = _deadline(made, certificate)
    if certificate.read is not None or certificate.awaits_turn:
        return Plan(
            read_certificate=certificate.read,
            awaits_turn=certificate.awaits_turn,
            deadline=deadline,
            revoke=pending,
            revoke_certificates=certificate.revoke,
        )
    coming = made.coming or occasion(identity, granted, current, issued, now=now)
    wanted, settled = credential_conditions(hub, granted, issued, superseded)
    if not settled and nothing_learned(identity, hub, granted, issued=issued, pending=pending, reason=Reason.ISSUED):
        wanted = issued_conditions(granted)
    rotating = rotation_conditions(issued, coming, over=bool(over), now=now)
    network = module_network_conditions(identity.spec, hub.spec, selects=observed.selects_pods)
    wanted = (*wanted, *rotating, *foreign_conditions(identity.status, observed.foreign), *network)
    status = identity_status(
        identity,
        with_certificate(wanted, certificate),
        now=now,
        granted=(identity.id, granted.account_name, identity.role),
        secret=around.secret_name,
        issued=issued,
        renewal=coming.due,
        certificate=planned_status(certificate),
        foreign=observed.foreign,
    )
    restart = workload.owed(identity, issued, certificate.note)
    moved = (current,) if made.moves and current else ()
    return Plan(
        add_finalizer=not identity.finalized,
        deadline=deadline,
        write=_write(made, current),
        write_certificate=certificate.write,
        order=certificate.placing,
        order_over=certificate.order_over,
        found_root=certificate.found_root,
        drop=(*moved, *(s for s in stale if not abandoned[s.uid]), *certificate.drop),
        revoke=pending,
        revoke_certificates=certificate.revoke,
        restart=restart,
        status=workload.with_restart(status, identity, restart),
        due=min(filter(None, (coming.due, issued.next_end(now), certificate.look_again(now)))),
        settled=settled and not over and not certificate.awaits_hub,
        action=", ".join(filter(None, (made.action, certificate.action))),
    )


def _deadline(made: Credential, certificate: CertificatePlan) -> int | None:
    """Return until when all that is to be done may wait: what may not wait takes the rest along."""
    deadlines = [
        *((made.deadline,) if made.manifest is not None else ()),
        *((certificate.deadline,) if certificate.works else ()),
    ]
    return None if None in deadlines else min(filter(None, deadlines), default=None)


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


def _plan_refusal(
    identity: Declared, hub: HubView | None, observed: Observed, error: RefusedError, *, now: int
) -> Plan:
    """Tell why; what was granted before stays, unless it must not be, or is for an id or a key it has no longer."""
    current = current_credential(identity, observed.secrets)
    issued = current.issued if current else None
    certificate = current_certificate(identity, observed.secrets)
    note = certificate.certificate if certificate else None
    gave_up = isinstance(identity, Identity) and _gave_up(identity, current)
    suspended = isinstance(identity, Identity) and identity.spec.suspended
    if error.cut or gave_up or suspended:
        must_end = cutoff.everything(identity, hub, observed.secrets, now=now)
        certificates = every_certificate(identity, observed.secrets, now=now)
    else:
        certificates = superseded_certificates(observed.secrets)
        must_end = tuple(r for s in observed.secrets if s.issued for r in (*s.issued.superseded, *s.issued.over(now)))
    pending = cutoff.pending(hub, must_end, now=now)
    pending_too = pending_certificates(hub, certificates, now=now)
    make = conditions.stalled if error.stalled else conditions.waiting
    owed = workload.pending_conditions(identity, issued, error.reason, certificate=note)
    return Plan(
        revoke=pending,
        revoke_certificates=pending_too,
        status=identity_status(
            identity,
            (*make(error.reason, error.message), *owed),
            now=now,
            secret=current.name if current else "",
            issued=issued,
            account=hub.account_name(issued.account) if hub and issued else "",
            holds_id=bool(pending) or not gave_up or hub is None,
            certificate=held_status(certificate),
        ),
        settled=error.stalled and not pending and not pending_too,
    )


def _gave_up(identity: Identity, current: SecretFacts | None) -> bool:
    """Tell whether the spec names another id or key than what was issued: that one is free for others now."""
    issued = current.issued if current else None
    held = issued.id if issued else identity.status.get("id", identity.id)
    key = issued.key if issued else identity.status.get("publicKey")
    return held != identity.id or (key is not None and identity.spec.public_key not in (None, key))


def plan_write_refused(identity: Declared, message: str, *, now: int) -> Plan:
    """Tell that the API server does not take the Secret, instead of what would be true if it had."""
    wanted = conditions.waiting(Reason.SECRET_REFUSED, f"the API server refuses the Secret: {message}")
    secret = str(identity.status.get("secretName", ""))
    return Plan(status=identity_status(identity, wanted, now=now, secret=secret), settled=False)
