"""What an identity's status says of its certificate."""

from collections.abc import Iterable
from typing import Any

from iotsec.decide import conditions
from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.certificate_standing import CertificatePlan
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.times import rfc3339


def certificate_status(secret_name: str, note: CertificateNote, *, renewal: int | None = None) -> dict[str, Any]:
    """Return what a status says of a certificate; ``renewal`` is when it is replaced next, in unix seconds."""
    status: dict[str, Any] = {
        "serial": f"{note.serial:x}",
        "issuer": note.issuer,
        "issuedAt": rfc3339(note.issued_at),
        "expiresAt": rfc3339(note.expires_at),
        "revision": note.revision,
    }
    if secret_name:
        status["secretName"] = secret_name
    if renewal is not None:
        status["renewalTime"] = rfc3339(renewal)
    return status


def held_status(secret: SecretFacts | None) -> dict[str, Any] | None:
    """Return what the status says of the certificate in a Secret; ``None`` where none tells of one."""
    if secret is None or secret.certificate is None:
        return None
    return certificate_status(secret.name, secret.certificate)


def planned_status(plan: CertificatePlan) -> dict[str, Any] | None:
    """Return what the status says of the certificate once a plan is carried out.

    Empty where the identity is to have none, and ``None`` where nothing new is known.
    """
    if not plan.wanted:
        return {}
    if plan.note is None:
        return None
    renewal = plan.coming.due if plan.coming is not None and plan.fault is None else None
    return certificate_status(plan.secret_name, plan.note, renewal=renewal)


def with_certificate(wanted: Iterable[Condition], plan: CertificatePlan) -> tuple[Condition, ...]:
    """Return an identity's conditions with those of its certificate: it is ready only with both, where it needs both.

    One that the servers let in stays ready whatever keeps the next from being issued.
    """
    told = tuple(wanted)
    if not plan.wanted:
        return told
    fault = plan.fault
    if fault is not None and (fault.stalled or not plan.usable):
        ready = next(c for c in told if c.type == conditions.READY)
        if ready.status == "True":
            make = conditions.stalled if fault.stalled else conditions.waiting
            told = (*make(fault.reason, fault.message), *(c for c in told if c.type != conditions.READY))
    elif plan.revoke and any(c.type == conditions.READY and c.status == "True" for c in told):
        message = "its former certificate is being put on the list of revoked ones"
        told = (
            *conditions.waiting(Reason.REVOCATION_PENDING, message),
            *(c for c in told if c.type != conditions.READY),
        )
    return (*told, _issued(plan), *_late(plan, told))


def _issued(plan: CertificatePlan) -> Condition:
    if plan.usable and plan.fault is None:
        message = f"Secret {plan.secret_name} holds a valid certificate"
        return Condition(conditions.CERTIFICATE_ISSUED, "True", Reason.ISSUED, message)
    if plan.fault is None:
        message = "the servers let its certificate in no more"
        return Condition(conditions.CERTIFICATE_ISSUED, "False", Reason.ISSUER_NOT_READY, message)
    if plan.usable:
        message = f"the certificate in Secret {plan.secret_name} is valid, and no other is issued: {plan.fault.message}"
        return Condition(conditions.CERTIFICATE_ISSUED, "True", plan.fault.reason, message)
    return Condition(conditions.CERTIFICATE_ISSUED, "False", plan.fault.reason, plan.fault.message)


def _late(plan: CertificatePlan, told: Iterable[Condition]) -> tuple[Condition, ...]:
    """Return what is to be known of windows that open too late, where nothing says so of the credentials."""
    coming = plan.coming
    if coming is None or coming.due is None or not coming.window_missed:
        return ()
    if any(condition.type == conditions.ROTATION_WINDOW_MISSED for condition in told):
        return ()
    message = (
        f"no window opens in time: the certificate is replaced at {rfc3339(coming.due)}, outside of all windows; "
        "set wider or more frequent windows on the TLSPolicy, or an earlier renewal"
    )
    return (Condition(conditions.ROTATION_WINDOW_MISSED, "True", Reason.NO_WINDOW_IN_TIME, message),)
