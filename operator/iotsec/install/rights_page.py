"""``docs/rights.md``: what the operator and users may, and why, for whoever reviews it."""

from collections.abc import Iterable

from iotsec.install.rules import LABELS, LEADER_EVENTS, LEASE, NAMESPACED, USER_ROLES, Rule, UserRole

_HEAD = """\
# Rights

Generated from `operator/iotsec/install/rules.py` by `python -m iotsec.api.generate`; do not edit. The manifests and
the Helm chart have the same rules from there. No rule has a wildcard, and none gives more than is needed: in the tests
the operator does all that it ever does, and without any single one of its rights a request of it is refused.

"""


def rights_page() -> str:
    """The page, in Markdown."""
    parts = [
        _HEAD + "## The operator, in each namespace that it looks after\n",
        _table(NAMESPACED),
        "Where it looks after all namespaces these are rules of a ClusterRole, with one more:\n",
        _table((LABELS,)),
        "With `watchNamespaces` they are rules of a Role in each of them, and it has no right in the whole cluster.\n",
        "## The operator, in its own namespace\n",
        _table(LEASE),
        "With `watchNamespaces` there is one more:\n",
        _table((LEADER_EVENTS,)),
        "## Users\n",
        (
            "A RoleBinding to `view`, `edit` or `admin` of Kubernetes is all that users need. Kubernetes itself lets\n"
            "`edit` and `admin` read Secrets: bind those who shall only manage identities to\n"
            "`iotsec-view` and `iotsec-edit`.\n"
        ),
        *(f"### `{role.name}`, {_bound(role)}\n\n{_table(role.rules)}" for role in USER_ROLES),
    ]
    return "\n".join(parts)


def _bound(role: UserRole) -> str:
    return f"in {_and(role.to)}" if role.to else "in no other"


def _table(rules: Iterable[Rule]) -> str:
    rows = [
        f"| {rule.group or 'core'} | {_and(rule.resources)}{_only(rule)} | {', '.join(rule.verbs)} | {rule.reason} |"
        for rule in rules
    ]
    return "\n".join(["| group | resources | verbs | why |", "|---|---|---|---|", *rows]) + "\n"


def _only(rule: Rule) -> str:
    return f" named {_and(rule.names)}" if rule.names else ""


def _and(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
