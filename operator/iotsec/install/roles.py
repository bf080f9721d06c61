"""The rules as YAML for people: each with its reason above it."""

import json
import textwrap
from collections.abc import Iterable, Sequence

from iotsec.install.rules import LEASE, USER_ROLES, Rule, UserRole, cluster_rules

NAME = "iot-security-operator"
"""Of the ServiceAccount, its namespace and its roles."""

_WIDTH = 118
_API = "rbac.authorization.k8s.io"


def rules_text(rules: Iterable[Rule], indent: int = 0) -> str:
    """The rules as items of a YAML list, as far indented."""
    margin = " " * indent
    return "".join(f"{margin}{line}\n" for rule in rules for line in _rule_lines(rule))


def rbac_manifest() -> str:
    """``manifests/rbac.yaml``: the operator's rights in the whole cluster, and its ServiceAccount."""
    return "---\n".join(
        [
            "# What the operator may do, and nothing more.\napiVersion: v1\nkind: Namespace\n" + _metadata(None),
            "apiVersion: v1\nkind: ServiceAccount\n" + _metadata(NAME),
            f"apiVersion: {_API}/v1\nkind: ClusterRole\n"
            + _metadata(None)
            + "rules:\n"
            + rules_text(cluster_rules(), 2),
            _binding("ClusterRole", None),
            f"apiVersion: {_API}/v1\nkind: Role\n" + _metadata(NAME) + "rules:\n" + rules_text(LEASE, 2),
            _binding("Role", NAME),
        ]
    )


def users_manifest() -> str:
    """``manifests/users.yaml``: what users may, added to the ClusterRoles view, edit and admin."""
    head = (
        "# What users may, added to the ClusterRoles view, edit and admin of Kubernetes. Nothing here reads a Secret.\n"
    )
    return head + "---\n".join(user_role_text(role) for role in USER_ROLES)


def user_role_text(role: UserRole, more_labels: str = "") -> str:
    """A ClusterRole for users, with further lines of labels."""
    labels = "".join(f'    {name}: "{value}"\n' for name, value in role.labels.items())
    marks = f"  labels:\n{labels}{more_labels}" if labels or more_labels else ""
    metadata = f"metadata:\n  name: {role.name}\n{marks}"
    return f"apiVersion: {_API}/v1\nkind: ClusterRole\n{metadata}rules:\n" + rules_text(role.rules, 2)


def _rule_lines(rule: Rule) -> list[str]:
    lines = [f"# {line}" for line in textwrap.wrap(rule.reason, _WIDTH)]
    lines += [f"- apiGroups: {_flow([rule.group])}", f"  resources: {_flow(rule.resources)}"]
    if rule.names:
        lines.append(f"  resourceNames: {_flow(rule.names)}")
    return [*lines, f"  verbs: {_flow(rule.verbs)}"]


def _flow(texts: Sequence[str]) -> str:
    return f"[{', '.join(text or json.dumps(text) for text in texts)}]"


def _metadata(namespace: str | None) -> str:
    return f"metadata:\n  name: {NAME}\n" + (f"  namespace: {namespace}\n" if namespace else "")


def _binding(kind: str, namespace: str | None) -> str:
    return (
        f"apiVersion: {_API}/v1\nkind: {kind}Binding\n{_metadata(namespace)}"
        f"roleRef:\n  apiGroup: {_API}\n  kind: {kind}\n  name: {NAME}\n"
        f"subjects:\n  - kind: ServiceAccount\n    name: {NAME}\n    namespace: {NAME}\n"
    )
