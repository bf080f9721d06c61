"""A ValidatingAdmissionPolicy as data: who and what it looks at, what must be so, and whether it refuses or warns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from iotsec.api.meta import GROUP, VERSION
from iotsec.install.policy_text import policy_text
from iotsec.install.roles import NAME

KIND = "ValidatingAdmissionPolicy"
OPERATOR = f"system:serviceaccount:{NAME}:{NAME}"
"""Who the operator is where it is installed by the manifests."""

_ANYBODY_ELSE = {
    "not-the-operator": f"request.userInfo.username != '{OPERATOR}'",
}
_SOMEBODY = _ANYBODY_ELSE | {
    # Garbage and what is in a namespace that goes is deleted by these: nobody reads what they are told.
    "not-the-cluster": "!request.userInfo.username.startsWith('system:serviceaccount:kube-system:') && "
    "request.userInfo.username != 'system:kube-controller-manager'",
}


class Action(Enum):
    """What becomes of a request that a policy finds fault with: its value is that of ``validationActions``.

    A policy that refuses fails closed: it asks nobody but the API server itself, so it cannot be out of reach. One that
    warns never stops anything, not even by a fault of its own.
    """

    DENY = ("Deny",)
    WARN = ("Warn",)
    WARN_AND_AUDIT = ("Warn", "Audit")

    @property
    def failure_policy(self) -> str:
        """What an expression that cannot be evaluated means."""
        return "Fail" if self is Action.DENY else "Ignore"


@dataclass(frozen=True, slots=True)
class Validation:
    """An expression of CEL that must be true; ``message`` is what is told otherwise, ``details`` the same in CEL."""

    expression: str
    message: str
    details: str = ""
    reason: str = ""

    def to_object(self) -> dict[str, str]:
        """Return it as the API takes it."""
        entry = {
            "expression": self.expression,
            "message": self.message,
            "messageExpression": self.details,
            "reason": self.reason,
        }
        return {key: value for key, value in entry.items() if value}


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """One policy, with the reason why it is there: a sentence for whoever reviews it."""

    name: str
    resources: tuple[str, ...]
    operations: tuple[str, ...]
    action: Action
    reason: str
    validations: tuple[Validation, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    group: str = GROUP
    version: str = VERSION
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those of the objects it looks at; empty: all."""

    def text(self, name: str, *, labels: str = "", selector: str = "") -> str:
        """The policy and its binding; the arguments are those of `policy_text`."""
        binding = {"validationActions": [*self.action.value]}
        return policy_text(KIND, name, self.spec(), binding, labels=labels, selector=selector)

    def spec(self) -> dict[str, Any]:
        """Return the spec of the policy."""
        rule = {
            "apiGroups": [self.group],
            "apiVersions": [self.version],
            "operations": [*self.operations],
            "resources": [*self.resources],
        }
        whose = _ANYBODY_ELSE if self.action is Action.DENY else _SOMEBODY
        return {
            "matchConstraints": {
                **({"objectSelector": {"matchLabels": dict(self.labels)}} if self.labels else {}),
                "resourceRules": [rule],
            },
            "failurePolicy": self.action.failure_policy,
            "matchConditions": [{"name": name, "expression": expression} for name, expression in whose.items()],
            **(
                {"variables": [{"name": name, "expression": value} for name, value in self.variables.items()]}
                if self.variables
                else {}
            ),
            "validations": [one.to_object() for one in self.validations],
        }
