"""What NetworkPolicies allow, worked out by their definition (networking.k8s.io/v1): who may open a connection to whom.

An `ipBlock` is held against addresses outside of the cluster alone, as most network plugins do.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    namespace: str
    app: str
    """Its label `app`, by which it is known."""
    others: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def labels(self) -> dict[str, str]:
        return {"app": self.app, **self.others}


@dataclass(frozen=True)
class Outsider:
    """Somebody outside of the cluster."""

    address: str


@dataclass(frozen=True)
class Cluster:
    """Policies by namespace and name, and the labels of each namespace."""

    policies: Mapping[tuple[str, str], Json]
    namespaces: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, objects: Iterable[Json], namespaces: Mapping[str, Mapping[str, str]]) -> "Cluster":
        """Of NetworkPolicies as the API server gives them: it leaves empty rules out."""
        specs = {(one["metadata"]["namespace"], one["metadata"]["name"]): one["spec"] for one in objects}
        return cls({place: {"ingress": [], "egress": [], **spec} for place, spec in specs.items()}, namespaces)

    def allows(self, source: Pod | Outsider, target: Pod | Outsider, port: int, protocol: str = "TCP") -> bool:
        """Whether `source` may open a connection to this port of `target`."""
        leaves = isinstance(source, Outsider) or self._passes(source, "Egress", target, port, protocol)
        enters = isinstance(target, Outsider) or self._passes(target, "Ingress", source, port, protocol)
        return leaves and enters

    def _passes(self, pod: Pod, direction: str, other: Pod | Outsider, port: int, protocol: str) -> bool:
        side, rules = ("from", "ingress") if direction == "Ingress" else ("to", "egress")
        isolating = [
            spec
            for (namespace, _), spec in self.policies.items()
            if namespace == pod.namespace
            and direction in spec["policyTypes"]
            and meets(spec["podSelector"], pod.labels)
        ]
        return not isolating or any(
            self._is_one_of(rule.get(side) or (), other, pod.namespace)
            and opens(rule.get("ports") or (), port, protocol)
            for spec in isolating
            for rule in spec[rules]
        )

    def _is_one_of(self, peers: Iterable[Json], other: Pod | Outsider, namespace: str) -> bool:
        peers = tuple(peers)
        return not peers or any(self._is(peer, other, namespace) for peer in peers)

    def _is(self, peer: Json, other: Pod | Outsider, namespace: str) -> bool:
        if isinstance(other, Outsider):
            return "ipBlock" in peer and _within(peer["ipBlock"], other.address)
        if "ipBlock" in peer:
            return False
        if "namespaceSelector" in peer:
            here = meets(peer["namespaceSelector"], self.namespaces[other.namespace])
        else:
            here = other.namespace == namespace
        return here and meets(peer.get("podSelector", {}), other.labels)


def opens(ports: Iterable[Json], port: int, protocol: str) -> bool:
    ports = tuple(ports)
    return not ports or any(
        one.get("protocol", "TCP") == protocol and one["port"] <= port <= one.get("endPort", one["port"])
        for one in ports
    )


def meets(selector: Json, labels: Mapping[str, str]) -> bool:
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(_meets(demand, labels) for demand in selector.get("matchExpressions", ()))


def _meets(demand: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(demand["key"])
    match demand["operator"]:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in demand["values"]
        case _:
            return value not in demand["values"]


def _within(block: Json, address: str) -> bool:
    one = ipaddress.ip_address(address)
    inside = one in ipaddress.ip_network(block["cidr"])
    return inside and not any(one in ipaddress.ip_network(part) for part in block.get("except", ()))
