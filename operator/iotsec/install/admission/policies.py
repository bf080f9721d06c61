"""Every policy, and the manifest that has them."""

from iotsec.install.admission.annotations import ANNOTATIONS, EMPTY_TOKENS, ROLE_KEYS
from iotsec.install.admission.cautions import FORCED_DELETION, OPEN_LISTENERS, TLS_OFF, TORN_OFF
from iotsec.install.admission.kept import CONFIG_MAPS, NETWORK_POLICIES, SECRETS
from iotsec.install.admission.policy import AdmissionPolicy
from iotsec.install.admission.status import STATUS

POLICIES: tuple[AdmissionPolicy, ...] = (
    ANNOTATIONS,
    STATUS,
    EMPTY_TOKENS,
    ROLE_KEYS,
    OPEN_LISTENERS,
    FORCED_DELETION,
    TLS_OFF,
    TORN_OFF,
    SECRETS,
    CONFIG_MAPS,
    NETWORK_POLICIES,
)


def admission_manifest() -> str:
    """``manifests/admission.yaml``, for all namespaces and an operator that `manifests/rbac.yaml` installed."""
    return (
        "# What the API server refuses or warns of beyond the rules of the CRDs: docs/admission.md. Where the\n"
        "# operator has another ServiceAccount, write its name below, or its statuses are refused.\n"
    ) + "---\n".join(policy.text(policy.name) for policy in POLICIES)
