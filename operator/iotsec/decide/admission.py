"""Which namespaces are meant, to use an account for instance: the Hub's own, all, or those with certain labels.

An operator that works in some namespaces alone may not look at their labels: there nobody is admitted by labels.
"""

from collections.abc import Iterable, Mapping

from iotsec.api.accounts import Account
from iotsec.api.selectors import LabelRequirement, LabelSelector

Labels = Mapping[str, str] | None
"""Of a namespace; ``None`` where they cannot be known."""


def admits(account: Account, namespace: str, *, hub_namespace: str, labels: Labels) -> bool:
    """Tell whether identities of ``namespace``, which has these labels, may be in an account of this Hub."""
    namespaces = account.namespaces
    if namespaces.selector is not None:
        return selects(namespaces.selector, labels)
    return namespaces.from_ == "All" or namespace == hub_namespace


def by_unknown_labels(accounts: Iterable[Account], labels: Labels) -> tuple[str, ...]:
    """Return the accounts of which nobody can tell whether they admit a namespace with these labels."""
    return tuple(a.name for a in accounts if labels is None and a.namespaces.selector is not None)


def matching_nothing(accounts: Iterable[Account], namespaces: Mapping[str, Labels]) -> tuple[str, ...]:
    """Return the accounts whose selector takes none of these namespaces, which are given with their labels."""
    selectors = {account.name: account.namespaces.selector for account in accounts}
    return tuple(
        name
        for name, selector in selectors.items()
        if selector is not None and not any(selects(selector, labels) for labels in namespaces.values())
    )


def chosen_namespaces(
    where: str, selector: LabelSelector | None, *, hub_namespace: str, labels: Mapping[str, Labels]
) -> frozenset[str]:
    """Return which namespaces, given with their labels, are meant by Same, All, or Selector and its selector."""
    if where == "Selector":
        return frozenset(name for name, found in labels.items() if selector is not None and selects(selector, found))
    return frozenset(labels if where == "All" else (name for name in labels if name == hub_namespace))


def selects(selector: LabelSelector, labels: Labels) -> bool:
    """Tell whether labels meet what a selector asks for (Kubernetes API, ``LabelSelector``); unknown ones do not."""
    if labels is None:
        return False
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _meets(requirement, labels) for requirement in selector.match_expressions
    )


def selector_text(selector: LabelSelector) -> str:
    """Return a selector as the parameter of a list request has it."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for demand in selector.match_expressions:
        match demand.operator:
            case "Exists":
                parts.append(demand.key)
            case "DoesNotExist":
                parts.append(f"!{demand.key}")
            case "In" | "NotIn":
                parts.append(f"{demand.key} {demand.operator.lower()} ({','.join(demand.values)})")
    return ",".join(parts)


def _meets(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    there = requirement.key in labels
    match requirement.operator:
        case "Exists":
            return there
        case "DoesNotExist":
            return not there
        case "In":
            return there and labels[requirement.key] in requirement.values
        case "NotIn":  # true of what has no such label, as for Kubernetes
            return not there or labels[requirement.key] not in requirement.values
