"""Statuses: who but the operator may write them."""

from iotsec.api.crd import KINDS
from iotsec.api.meta import GROUP
from iotsec.install.admission.policy import Action, AdmissionPolicy, Validation
from iotsec.install.rules import RESTORE

_MAY_RESTORE = (
    f"authorizer.group('{GROUP}').resource(request.resource.resource).subresource('status')"
    f".namespace(request.namespace).name(request.name).check('{RESTORE}').allowed()"
)

STATUS = AdmissionPolicy(
    name="iotsec-status",
    resources=tuple(f"{kind.plural}/status" for kind in KINDS),
    operations=("UPDATE",),
    action=Action.DENY,
    reason=(
        "The operator goes by what a status says was issued: whoever else may write one could have a certificate of "
        f"somebody else revoked. Who restores them from a backup needs the verb `{RESTORE}`."
    ),
    validations=(
        Validation(
            _MAY_RESTORE,
            "a status is written by the operator alone, which goes by what it says was issued; to restore one from a "
            f"backup takes the verb {RESTORE} on it: bind the ClusterRole iotsec-restore",
            reason="Forbidden",
        ),
    ),
)
