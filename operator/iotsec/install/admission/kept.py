"""Objects that the operator makes and keeps as they are, edited or deleted by somebody else."""

from iotsec.api.meta import GROUP
from iotsec.decide import names
from iotsec.install.admission.policy import Action, AdmissionPolicy, Validation

_MANAGED_BY, _US = names.MANAGED_BY
_OURS = {_MANAGED_BY: _US}
_OF_IDENTITIES = (
    f"('{names.COMPONENT}' in variables.labels && "
    f"variables.labels['{names.COMPONENT}'] in ['{names.CREDENTIALS}', '{names.CERTIFICATE}'])"
)
_DELETED = "variables.isOurs && request.operation == 'DELETE'"


def _kept_entries(field: str, which: str = "") -> str:
    """CEL that is true where every entry of a map is what it was; of those for which ``which`` is true."""
    same = f"has(object.{field}) && name in object.{field} && object.{field}[name] == oldObject.{field}[name]"
    each = f"!({which}) || ({same})" if which else same
    return f"(!has(oldObject.{field}) || oldObject.{field}.all(name, {each}))"


_OUR_LABELS = f"name in ['{_MANAGED_BY}', '{names.COMPONENT}']"
_OUR_ANNOTATIONS = f"name.startsWith('{GROUP}/') && name != '{names.ROTATE}'"
_KEPT_MARKS = (
    f"{_kept_entries('metadata.labels', _OUR_LABELS)} && {_kept_entries('metadata.annotations', _OUR_ANNOTATIONS)}"
)


def _kept(resource: str, group: str, kept: str, reason: str, *deletions: Validation) -> AdmissionPolicy:
    """Return the policy of a resource; ``kept`` is CEL that is true while what is in an object of ours stays."""
    return AdmissionPolicy(
        name=f"iotsec-kept-{resource}",
        resources=(resource,),
        operations=("UPDATE", "DELETE"),
        action=Action.WARN_AND_AUDIT,
        reason=reason,
        variables={
            "labels": "has(oldObject.metadata.labels) ? oldObject.metadata.labels : {}",
            "isOurs": f"'{_MANAGED_BY}' in variables.labels && variables.labels['{_MANAGED_BY}'] == '{_US}'",
        },
        group=group,
        version="v1",
        labels=_OURS,
        validations=(
            Validation(
                f"!variables.isOurs || request.operation == 'DELETE' || ({kept} && {_KEPT_MARKS})",
                "the operator keeps this object as it wrote it: what is changed of that is put back",
            ),
            *deletions,
        ),
    )


def _again(message: str) -> Validation:
    return Validation(f"!({_DELETED})", message)


SECRETS = _kept(
    "secrets",
    "",
    _kept_entries("data"),
    "What is edited of a Secret of ours is put right, and one that is deleted comes back with the same keys.",
    Validation(
        f"!({_DELETED}) || !{_OF_IDENTITIES}",
        "the operator makes this Secret again, with the same key: to delete it revokes nothing and rotates nothing; "
        f"for another key annotate it {names.ROTATE}=<text>, to cut the identity off suspend or delete that",
    ),
    Validation(
        f"!({_DELETED}) || {_OF_IDENTITIES}",
        "this Secret is a Hub's: an operator that runs writes it again; where none runs what only it holds is lost, "
        "such as the keys that the fleet trusts",
    ),
)

CONFIG_MAPS = _kept(
    "configmaps",
    "",
    _kept_entries("data"),
    "A trust bundle that is edited or deleted is made what it was.",
    _again("the operator makes this trust bundle again, as long as a TLSPolicy asks for it here"),
)

NETWORK_POLICIES = _kept(
    "networkpolicies",
    "networking.k8s.io",
    "object.spec == oldObject.spec",
    "A NetworkPolicy of ours that is edited or deleted is made what it was.",
    _again("the operator makes this NetworkPolicy again, as long as its Hub or Module asks for it"),
)
