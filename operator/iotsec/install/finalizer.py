"""The policy by which an identity or Hub has its finalizer from the very request that creates it."""

from iotsec.api.meta import GROUP, VERSION
from iotsec.decide.names import FINALIZER
from iotsec.install.policy_text import policy_text

KIND = "MutatingAdmissionPolicy"
NAME = "iotsec-finalizer"


def finalizer_text(name: str, *, labels: str = "", selector: str = "") -> str:
    """The policy and its binding; ``labels`` and ``selector`` as `policy_text` takes them."""
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": ["CREATE"],
        "resources": ["clients", "devices", "hubs", "modules"],
    }
    has_none = f"!has(object.metadata.finalizers) || !('{FINALIZER}' in object.metadata.finalizers)"
    added = f"Object{{metadata: Object.metadata{{finalizers: ['{FINALIZER}']}}}}"
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "has-none-yet", "expression": has_none}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": added}}],
    }
    return policy_text(KIND, name, spec, {}, labels=labels, selector=selector)


def finalizer_manifest() -> str:
    """``manifests/finalizer.yaml``, for all namespaces."""
    return (
        "# Gives every identity and Hub its finalizer in the very request that creates it, so that the operator\n"
        "# need not write it. Needs Kubernetes 1.36; elsewhere leave this file out: the operator adds it itself.\n"
    ) + finalizer_text(NAME)
