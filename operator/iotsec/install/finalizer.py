"""The policy by which an identity or Hub has its finalizer from the very request that creates it."""

from iotsec.api.meta import GROUP, VERSION
from iotsec.decide.names import FINALIZER

_API = "admissionregistration.k8s.io/v1"


def policy_text(name: str, *, labels: str = "", selector: str = "") -> str:
    """The policy and its binding; ``labels`` are lines of their metadata, ``selector`` lines of what is matched."""
    metadata = f"metadata:\n  name: {name}\n{labels}"
    return f"""\
apiVersion: {_API}
kind: MutatingAdmissionPolicy
{metadata}spec:
  matchConstraints:
{selector}    resourceRules:
      - apiGroups: [{GROUP}]
        apiVersions: [{VERSION}]
        operations: [CREATE]
        resources: [clients, devices, hubs, modules]
  matchConditions:
    - name: has-none-yet
      expression: "!has(object.metadata.finalizers) || !('{FINALIZER}' in object.metadata.finalizers)"
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: "Object{{metadata: Object.metadata{{finalizers: ['{FINALIZER}']}}}}"
---
apiVersion: {_API}
kind: MutatingAdmissionPolicyBinding
{metadata}spec:
  policyName: {name}
"""


def finalizer_manifest() -> str:
    """``manifests/finalizer.yaml``, for all namespaces."""
    return (
        "# Gives every identity and Hub its finalizer in the very request that creates it, so that the operator\n"
        "# need not write it. Needs Kubernetes 1.36; elsewhere leave this file out: the operator adds it itself.\n"
    ) + policy_text("iotsec-finalizer")
