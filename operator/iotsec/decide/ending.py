"""Identities that are to be cut off: suspended, deleted, or gone without a word to us."""

from iotsec.decide import conditions, cutoff
from iotsec.decide.certificate_cutoff import every_certificate, pending_certificates
from iotsec.decide.certificate_status import held_status
from iotsec.decide.conditions import Reason
from iotsec.decide.grant import Grant
from iotsec.decide.identity_secrets import current_certificate, current_credential
from iotsec.decide.identity_status import identity_status, nothing_learned, suspended_conditions
from iotsec.decide.plan import Plan
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.views import Declared, HubView, Identity, Observed


def plan_suspension(identity: Identity, hub: HubView, observed: Observed, granted: Grant, *, now: int) -> Plan:
    """Cut off and keep the Secrets, for the day it may come back; one that somebody deletes may go."""
    current = current_credential(identity, observed.secrets)
    pending = cutoff.pending(hub, cutoff.everything(identity, hub, observed.secrets, now=now), now=now)
    certificates = pending_certificates(hub, every_certificate(identity, observed.secrets, now=now), now=now)
    issued = current.issued if current else None
    wanted = suspended_conditions()
    learned = not nothing_learned(identity, hub, granted, issued=issued, pending=pending, reason=Reason.SUSPENDED)
    if certificates or (pending and learned):
        wanted = conditions.waiting(Reason.REVOCATION_PENDING, hub.problem or "it is being cut off on every server")
    never_issued = issued is None and "publicKey" not in identity.status
    drop = () if pending or certificates else tuple(s for s in observed.secrets if s.deleting)
    return Plan(
        add_finalizer=not identity.finalized and issued is not None,
        order_over=observed.placed is not None,
        drop=drop,
        revoke=pending,
        revoke_certificates=certificates,
        status=identity_status(
            identity,
            wanted,
            now=now,
            granted=(identity.id, granted.account_name, identity.role) if never_issued else None,
            secret=current.name if current and current not in drop else "",
            issued=issued,
            account=hub.account_name(issued.account) if issued else "",
            certificate=held_status(current_certificate(identity, observed.secrets)),
        ),
        settled=not pending and not certificates,
    )


def plan_deletion(identity: Declared, hub: HubView | None, observed: Observed, *, now: int) -> Plan:
    """Cut off first, then let the Secrets go, then the object: after a crash anywhere the rest is still known."""
    pending = cutoff.pending(hub, cutoff.everything(identity, hub, observed.secrets, now=now), now=now)
    certificates = pending_certificates(hub, every_certificate(identity, observed.secrets, now=now), now=now)
    wanted: tuple[conditions.Condition, ...] = ()
    if hub is None and observed.hub_trouble and (observed.secrets or "publicKey" in identity.status):
        # The accounts are there, and nobody can sign what would cut this identity off.
        wanted = conditions.waiting(Reason.HUB_NOT_READY, observed.hub_trouble)
    elif pending or certificates:
        reason = Reason.NATS_UNAVAILABLE if hub and hub.problem else Reason.DELETING
        wanted = conditions.waiting(reason, (hub.problem if hub else "") or "it is being cut off on every server")
    if wanted:
        current = current_credential(identity, observed.secrets)
        status = identity_status(identity, wanted, now=now, secret=current.name if current else "")
        return Plan(revoke=pending, revoke_certificates=certificates, status=status, settled=False)
    over = observed.placed is not None
    return Plan(drop=observed.secrets, order_over=over, release=identity.finalized, action="cut-off")


def plan_orphan(secret: SecretFacts, hub: HubView | None, *, now: int) -> Plan:
    """Decide about a Secret whose identity vanished without us: revoke what it held, then let it go.

    One that we never wrote so, a copy perhaps, says nothing and is not ours to delete; but it shall not wait for us.
    """
    note = secret.note
    account_gone = hub is None or (note is not None and hub.account_by_key(note.account) is None)
    ours = secret.owner is not None and (account_gone or cutoff.vouched(secret, hub).note is not None)
    if not ours or note is None:
        return Plan(drop=(secret,) if secret.deleting and secret.finalized else ())
    pending = cutoff.pending(hub, secret.issued.everything(), now=now) if secret.issued else ()
    told = secret.certificate.everything() if secret.certificate and not account_gone else ()
    certificates = pending_certificates(hub, told, now=now)
    if pending or certificates:
        return Plan(revoke=pending, revoke_certificates=certificates, settled=False)
    return Plan(drop=(secret,), action="cut-off-orphan")
