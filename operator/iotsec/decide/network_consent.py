"""Which namespaces a Hub may write NetworkPolicies into: its own, and those that are labelled for it."""

from collections.abc import Iterable, Mapping

from iotsec.api.hub import HubSpec
from iotsec.api.network import HubNetwork
from iotsec.api.selectors import LabelSelector
from iotsec.decide import names
from iotsec.decide.admission import Labels, chosen_namespaces

_CLUSTERS_OWN = "kube-"  # reserved for it (Kubernetes, concepts/overview/working-with-objects/namespaces)
_BY_UNKNOWN_LABELS = (
    "defaultDeny is by a selector, and this operator may not look at labels of namespaces: set from to Same, or run "
    "the operator for the whole cluster"
)


def pods_of_nats(
    hubs: Iterable[tuple[str, HubSpec]], labels: Mapping[str, Labels]
) -> tuple[tuple[str, LabelSelector], ...]:
    """Return which pods are those of NATS, by the Hubs there are (namespace, spec): of each that has a say about them.

    Who may write Hubs in one namespace has none about pods of others: he could shut a Module of theirs out of its own.
    """
    found = []
    for hub_namespace, spec in hubs:
        if spec.network is not None:
            nats = spec.network.nats
            namespace = nats.namespace or hub_namespace
            if not why_refused(namespace, hub_namespace, labels):
                found.append((namespace, nats.pod_selector))
    return tuple(found)


def closed_namespaces(
    network: HubNetwork, hub_namespace: str, operator_namespace: str | None, labels: Mapping[str, Labels]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the namespaces in which nothing else flows, and what is to be known of those that are left out."""
    asked = network.default_deny
    if asked is None:
        return frozenset(), ()
    if asked.selector is not None and None in labels.values():
        return frozenset(), (_BY_UNKNOWN_LABELS,)
    chosen = chosen_namespaces(asked.from_, asked.selector, hub_namespace=hub_namespace, labels=labels)
    theirs = frozenset(one for one in chosen if why_refused(one, hub_namespace, labels))
    needed = {network.dns.namespace, operator_namespace}
    spared = frozenset(one for one in chosen - theirs if one in needed or one.startswith(_CLUSTERS_OWN))
    told: list[str] = []
    if theirs:  # who they are is nobody's business here
        told.append(f"defaultDeny takes {len(theirs)} namespaces that do not let it: {_consent('each', hub_namespace)}")
    if spared:
        told.append(
            f"defaultDeny leaves out {', '.join(sorted(spared))}: the cluster, names, or this operator, could not work "
            "there any more; write a NetworkPolicy of your own if you want one"
        )
    return chosen - theirs - spared, tuple(told)


def why_refused(namespace: str, hub_namespace: str, labels: Mapping[str, Labels]) -> str:
    """Return why a Hub may not write policies into a namespace; empty where it may.

    Who may write a Hub in one namespace could else close all others, or open what is closed there. Where labels cannot
    be known, the namespaces are those that this operator was given, by somebody with rights in each.
    """
    if namespace == hub_namespace:
        return ""
    if namespace not in labels:
        return f"there is no namespace {namespace} in which this operator works"
    known = labels[namespace]
    if known is None or known.get(names.NETWORK) == hub_namespace:
        return ""
    return f"namespace {namespace} does not let Hubs of {hub_namespace} write it: {_consent(namespace, hub_namespace)}"


def _consent(namespace: str, hub_namespace: str) -> str:
    return f"have {namespace} labelled {names.NETWORK}={hub_namespace}"
