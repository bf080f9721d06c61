"""When the workload of a Module is restarted: once for each credential or certificate that took another's place.

The mark on the pod template is the moment the credential was issued, not the one of the restart. So a patch that is
made again after a crash changes nothing, and what was restarted is told from what is owed without reading the workload.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iotsec.api.meta import GROUP
from iotsec.api.module import ModuleSpec, Workload
from iotsec.decide import conditions
from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.conditions import RESTART_PENDING, Condition, Reason
from iotsec.decide.issued import Issued
from iotsec.decide.times import rfc3339, unix
from iotsec.decide.views import Declared, Identity

RESTARTED_AT = f"{GROUP}/restartedAt"
"""On the pod template of a workload, as ``kubectl rollout restart`` writes its own: another value replaces the pods."""

RETRY_SECONDS = 60
"""Nobody tells us when a workload that was missing is there."""


@dataclass(frozen=True, slots=True)
class Restart:
    """One workload to restart, in the namespace of its Module."""

    kind: str
    name: str
    mark: str
    """RFC 3339; later than that of the restart before."""

    def to_patch(self) -> dict[str, Any]:
        """Return the merge patch that restarts it, and touches nothing else."""
        return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: self.mark}}}}}

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def owed(identity: Declared, issued: Issued, certificate: CertificateNote | None = None) -> Restart | None:
    """Return the restart that was not made yet for what was issued; the first credential or certificate needs none.

    A status is written after the restart: one that knows an older revision was overtaken, by a crash perhaps.
    """
    workload = _restarted(identity)
    if workload is None:
        return None
    status = identity.status
    behind = 0 < int(status.get("revision", 0)) < issued.revision or is_pending(status)
    issued_at = issued.issued_at
    if certificate is not None:
        known = int((status.get("certificate") or {}).get("revision", 0))
        if 0 < known < certificate.revision:
            behind, issued_at = True, max(issued_at, certificate.issued_at)
    before = unix(status["restartedAt"]) if "restartedAt" in status else None
    if not behind and (before is None or before >= issued_at):
        return None
    # Two credentials may be of the same second: pods started between them hold the former.
    mark = max(issued_at, before + 1) if behind and before is not None else issued_at
    return Restart(workload.kind, workload.name, rfc3339(mark))


def is_pending(status: Mapping[str, Any]) -> bool:
    """Tell whether a status says that a restart is owed."""
    return bool(conditions.reason_of(status, RESTART_PENDING))


def with_restart(status: dict[str, Any], identity: Declared, restart: Restart | None) -> dict[str, Any]:
    """Return the status that says when the workload was restarted, and nothing where it is not to be."""
    told = {key: value for key, value in status.items() if key != "restartedAt"}
    if restart is not None:
        return told | {"restartedAt": restart.mark}
    return status if _restarted(identity) is not None else told


def pending_conditions(
    identity: Declared, issued: Issued | None, reason: Reason, *, certificate: CertificateNote | None = None
) -> tuple[Condition, ...]:
    """Return what keeps an owed restart known while something else, told by ``reason``, comes first."""
    restart = owed(identity, issued, certificate) if issued is not None else None
    if restart is None:
        return ()
    message = f"{restart} is restarted when this {identity.kind} is in order"
    return (Condition(RESTART_PENDING, "True", reason, message),)


def without_restart(
    status: Mapping[str, Any], identity: Declared, restart: Restart, *, refusal: str, now: int
) -> dict[str, Any]:
    """Return the status that says that the workload could not be restarted: ``refusal`` says why, or it is missing."""
    if refusal:
        reason, message = (
            Reason.RESTART_REFUSED,
            f"the API server refuses to restart {restart}, which is tried again: {refusal}",
        )
    else:
        reason = Reason.WORKLOAD_NOT_FOUND
        message = f"there is no {restart} here: correct spec.workload, or leave onRotation out; it is looked for again"
    wanted = Condition(RESTART_PENDING, "True", reason, message)
    (told,) = conditions.merge(
        identity.status.get("conditions") or (), (wanted,), generation=identity.generation, now=rfc3339(now)
    )
    kept = {key: value for key, value in status.items() if key != "restartedAt"}
    if "restartedAt" in identity.status:
        kept["restartedAt"] = identity.status["restartedAt"]
    return kept | {"conditions": [*status["conditions"], told]}


def _restarted(identity: Declared) -> Workload | None:
    """Return the workload that is to be restarted, if there is one."""
    if not isinstance(identity, Identity) or not isinstance(identity.spec, ModuleSpec):
        return None
    workload = identity.spec.workload
    return workload if workload is not None and workload.on_rotation == "Restart" else None
