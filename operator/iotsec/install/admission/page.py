"""``docs/admission.md``: what is refused or warned of when it is written, and why."""

from collections.abc import Iterable

from iotsec.install.admission.policies import POLICIES
from iotsec.install.admission.policy import Action, AdmissionPolicy
from iotsec.install.rules import RESTORE

_HEAD = """\
# Admission

Generated from `operator/iotsec/install/admission/` by `python -m iotsec.api.generate`; do not edit.

The rules of a CustomResourceDefinition see neither annotations, nor who asks, and they cannot warn. These
ValidatingAdmissionPolicies do. The API server evaluates them itself: nothing of the operator is asked, so that they
hold while it is down, and cannot keep it from coming back. They are in `manifests/admission.yaml`, and in the chart
(`admissionPolicies`).

"""

_FOOT = f"""\
What refuses has `failurePolicy: Fail`: an expression that cannot be evaluated refuses, too. What warns has `Ignore`,
and never stops anything. Annotations and specs count where they are new or changed: an object with a mistake of long
ago can still be changed otherwise, and deleted. The operator, known by the name of its ServiceAccount, and the
controllers of the cluster are not warned.

## Another ServiceAccount

The chart writes the name that its release has. `manifests/admission.yaml` has that of `manifests/rbac.yaml`: where the
operator runs as another one, write that there, or its statuses are refused. As an administrator of the cluster
(`iotsec run` with your own kubeconfig) it needs nothing.

## Statuses in a backup

A backup need not have them: the operator writes them anew. To restore them all the same, such as with Velero's
`--restore-status`, takes the verb `{RESTORE}` on them. Administrators of the cluster (verbs `*`) have it; others are
bound to the ClusterRole `iotsec-restore`:

```console
kubectl create clusterrolebinding restore-iotsec-status --clusterrole iotsec-restore --serviceaccount velero:velero
```

## Where a policy is in the way

Of a restore, for instance, of an object with an annotation that is refused: delete the binding, and apply it again
afterwards.

```console
kubectl delete validatingadmissionpolicybinding iotsec-annotations
```
"""


def admission_page() -> str:
    """The page, in Markdown."""
    refused = [policy for policy in POLICIES if policy.action is Action.DENY]
    warned = [policy for policy in POLICIES if policy.action is not Action.DENY]
    return f"{_HEAD}## What is refused\n\n{_table(refused)}\n## What is warned of\n\n{_table(warned)}\n{_FOOT}"


def _table(policies: Iterable[AdmissionPolicy]) -> str:
    rows = [
        f"| `{one.name}` | {_of(one)} | {', '.join(map(str.lower, one.operations))} | {one.reason}{_audited(one)} |"
        for one in policies
    ]
    return "\n".join(["| policy | of | when | why |", "|---|---|---|---|", *rows]) + "\n"


def _of(policy: AdmissionPolicy) -> str:
    return ", ".join(f"`{resource}`" for resource in policy.resources)


def _audited(policy: AdmissionPolicy) -> str:
    return " The audit log has it." if policy.action is Action.WARN_AND_AUDIT else ""
