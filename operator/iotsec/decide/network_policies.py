"""NetworkPolicies of a Hub: who reaches its NATS servers, what its Modules reach, where nothing else flows.

Computed from what Hub and Modules say, nothing else: the same always gives the same objects. Ports are those of pods:
policies are held against packets that have a pod's address already (Kubernetes, concepts/services-networking).
"""

import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from iotsec.api.hub import HubSpec
from iotsec.api.module import ModuleSpec
from iotsec.api.network import Egress, HubNetwork, Ingress, IpBlock, NatsPods, Peer, Port
from iotsec.api.selectors import LabelSelector
from iotsec.decide import names
from iotsec.decide.admission import Labels
from iotsec.decide.network_consent import closed_namespaces, pods_of_nats, why_refused
from iotsec.decide.placement import Content, Place, Sort
from iotsec.decide.sparing import sparing

POLICIES = Sort(
    api_version="networking.k8s.io/v1",
    kind="NetworkPolicy",
    component="network",
    field="spec",
    shared=False,
    advice="let one of the two have another name",
)

DEFAULT_DENY = "iotsec-default-deny"
"""One for each namespace, whichever Hub asks for it: the first to ask has it."""

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that every namespace has, with its name (Kubernetes 1.22)."""

OPERATOR_PODS = LabelSelector(match_labels={names.COMPONENT: "operator"})
"""The operator's own, whatever else they are labelled."""

_BOTH = ("Ingress", "Egress")
_EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
_NAMED = 5
INTERNAL = ("gateway", "leafnodes")
_LISTENER_OF = {
    "STANDARD": "client",
    "WEBSOCKET": "websocket",
    "MQTT": "mqtt",
    "MQTT_WS": "websocket",
    "LEAFNODE": "leafnodes",
    "LEAFNODE_WS": "websocket",
}


Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConnectedModule:
    """A Module that its Hub admits, as far as the network is concerned."""

    namespace: str
    name: str
    spec: ModuleSpec


@dataclass(frozen=True, slots=True)
class OperatorPods:
    """Where the operator itself runs."""

    namespace: str
    revocation_port: int | None = None
    """Where servers ask it about certificates."""


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The policies of one Hub."""

    policies: Mapping[Place, Content] = field(default_factory=dict)
    """What is in the spec of each."""
    refused: Mapping[Place, str] = field(default_factory=dict)
    """Which others are wanted, and why they may not be."""
    cautions: tuple[str, ...] = ()
    """What is done as asked, and should be looked at."""


def plan_network(
    namespace: str,
    name: str,
    spec: HubSpec,
    modules: Iterable[ConnectedModule],
    *,
    operator: OperatorPods | None,
    labels: Mapping[str, Labels],
    hubs: Iterable[tuple[str, HubSpec]] = (),
) -> NetworkPlan:
    """Return the policies of a Hub and its Modules; none while the Hub says nothing of the network.

    ``operator`` is ``None`` where it runs outside of the cluster; ``labels`` are those of each namespace there is;
    ``hubs`` are the other Hubs (namespace, spec), whose servers are no Module's either. In another namespace than the
    Hub's there are those of its Modules, and more only where that namespace says so.
    """
    network = spec.network
    if network is None:
        return NetworkPlan()
    nats = _Nats(network, network.nats.namespace or namespace)
    connected = sorted((m for m in modules if m.spec.network is not None), key=lambda m: (m.namespace, m.name))
    listeners = {(m.namespace, m.name): listeners_of(m.spec, spec) for m in connected}
    kept = [(nats.namespace, nats.pods.pod_selector)]
    kept += sorted((one for one in pods_of_nats(hubs, labels) if one not in kept), key=repr)
    if operator is not None:
        kept.append((operator.namespace, OPERATOR_PODS))
    policies: dict[Place, Content] = {}
    nobodys: list[str] = []
    for module in connected:
        found = _of_module(module, nats, listeners[module.namespace, module.name], kept)
        policies |= found
        if not found:
            nobodys.append(f"{module.namespace}/{module.name}")
    at, refused = (nats.namespace, f"{name}-nats"), why_refused(nats.namespace, namespace, labels)
    if not refused:
        policies[at] = _of_nats(nats, connected, listeners, operator)
    own = operator.namespace if operator is not None else None
    denied, spared = closed_namespaces(network, namespace, own, labels)
    policies |= {(one, DEFAULT_DENY): policy({}, [], []) for one in denied}
    cautions = (*_exposed(network), *spared, *_not_theirs(nobodys), *_unreached(operator))
    return NetworkPlan(policies, {at: f"NetworkPolicy {'/'.join(at)}: {refused}"} if refused else {}, cautions)


def module_policy_name(module: str, number: int = 1) -> str:
    """Name of a NetworkPolicy of a Module; it has more than one where several selectors say what one cannot."""
    return f"{module}-module" if number == 1 else f"{module}-module-{number}"


def policy(selector: Json, ingress: list[Json], egress: list[Json]) -> Content:
    """Return the spec of a policy that allows these and nothing else, in both directions.

    Each field is there, also one that is empty: what somebody else adds to it is taken away again.
    """
    return {"podSelector": selector, "policyTypes": list(_BOTH), "ingress": ingress, "egress": egress}


def listeners_of(module: ModuleSpec, hub: HubSpec) -> tuple[str, ...]:
    """Return which listeners a Module connects to, by its connection types, or those of its role; none while suspended.

    Where neither says any it is the client listener alone.
    """
    if module.suspended:
        return ()
    role = next((one for one in hub.roles if one.name == module.effective_role), None)
    types = module.connection_types or (role.connection_types if role is not None else ()) or ("STANDARD",)
    return tuple(sorted({_LISTENER_OF[one] for one in types if one in _LISTENER_OF}))


@dataclass(frozen=True, slots=True)
class _Nats:
    """The servers, as policies name them."""

    network: HubNetwork
    namespace: str

    @property
    def pods(self) -> NatsPods:
        return self.network.nats

    @property
    def peer(self) -> Json:
        return _pods_in(self.namespace, self.pods.pod_selector)

    def ports(self, *listeners: str) -> list[Json]:
        return [_tcp(getattr(self.pods.ports, listener)) for listener in listeners]

    def dns(self) -> Json:
        """Return the rule by which names are asked for."""
        asked = self.network.dns
        peers = [_pods_in(asked.namespace, asked.pod_selector), *_blocks(asked.cidrs)]
        ports = [{"protocol": protocol, "port": port} for port in sorted(asked.ports) for protocol in ("UDP", "TCP")]
        return {"to": peers, "ports": ports}


def _of_nats(
    nats: _Nats,
    modules: Iterable[ConnectedModule],
    listeners: Mapping[Place, tuple[str, ...]],
    operator: OperatorPods | None,
) -> Content:
    reached: dict[str, list[Json]] = {}
    for module in modules:
        assert module.spec.network is not None  # noqa: S101 - they were chosen by it
        peer = _pods_in(module.namespace, module.spec.network.pod_selector)
        for listener in listeners[module.namespace, module.name]:
            reached.setdefault(listener, []).append(peer)
    if operator is not None:
        reached.setdefault("client", []).append(_pods_in(operator.namespace, OPERATOR_PODS))
    for outside in nats.network.outside:
        reached.setdefault(outside.listener, []).extend(_blocks(outside.cidrs))
    ingress = [{"from": _distinct(peers), "ports": nats.ports(name)} for name, peers in sorted(reached.items())]
    ingress.append({"from": [nats.peer], "ports": nats.ports("cluster")})
    if (monitoring := nats.network.monitoring) is not None:
        peer = _pods_in(monitoring.namespace, monitoring.pod_selector or LabelSelector())
        ingress.append({"from": [peer], "ports": nats.ports("monitor", "metrics")})
    egress = [{"to": [nats.peer], "ports": nats.ports("cluster")}, nats.dns()]
    if operator is not None and operator.revocation_port is not None:
        egress.append({"to": [_pods_in(operator.namespace, OPERATOR_PODS)], "ports": [_tcp(operator.revocation_port)]})
    egress += [_egress(rule) for rule in nats.pods.egress]
    return policy(_selector(nats.pods.pod_selector), ingress, egress)


def _of_module(
    module: ConnectedModule, nats: _Nats, listeners: tuple[str, ...], kept: Iterable[tuple[str, LabelSelector]]
) -> dict[Place, Content]:
    """Return the policies of a Module; ``kept`` are pods that are no Module's, whatever it selects.

    What any policy allows is allowed: by one for the pods of NATS, who may write a Module would open their monitoring.
    """
    network = module.spec.network
    assert network is not None  # noqa: S101 - it was chosen by it
    to_nats = [{"to": [nats.peer], "ports": nats.ports(*listeners)}] if listeners else []
    egress = [*([nats.dns()] if network.dns else []), *to_nats, *(_egress(rule) for rule in network.egress)]
    ingress = [_ingress(rule) for rule in network.ingress]
    selectors = sparing(network.pod_selector, (pods for namespace, pods in kept if namespace == module.namespace))
    return {
        (module.namespace, module_policy_name(module.name, number)): policy(_selector(selector), ingress, egress)
        for number, selector in enumerate(selectors, 1)
    }


def _exposed(network: HubNetwork) -> tuple[str, ...]:
    """Return what is open to everybody and should not be."""
    open_ = sorted(o.listener for o in network.outside if o.listener in INTERNAL and _EVERYBODY & set(_merged(o.cidrs)))
    return tuple(
        f"the {one} listener, which is for other servers, is open to every address: name theirs" for one in open_
    )


def _not_theirs(modules: list[str]) -> tuple[str, ...]:
    """Return whose selector takes nothing but pods that are no Module's."""
    if not modules:
        return ()
    named = ", ".join(modules[:_NAMED]) + (f" and {len(modules) - _NAMED} more" if len(modules) > _NAMED else "")
    return (f"the selector of Module {named} takes pods of NATS or of this operator alone, which are no Module's",)


def _unreached(operator: OperatorPods | None) -> tuple[str, ...]:
    if operator is not None:
        return ()
    return (
        "this operator runs outside of the cluster: its address must be in spec.network.outside of the client listener",
    )


def _pods_in(namespace: str, selector: LabelSelector) -> Json:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: namespace}}, "podSelector": _selector(selector)}


def _selector(selector: LabelSelector) -> Json:
    return selector.to_json()


def _tcp(port: int) -> Json:
    return {"protocol": "TCP", "port": port}


def _ports(ports: Iterable[Port]) -> Json:
    """Return the field of the ports; none means every one."""
    found = [
        {"protocol": one.protocol, "port": one.port, **({"endPort": one.end_port} if one.end_port else {})}
        for one in ports
    ]
    return {"ports": found} if found else {}


def _ingress(rule: Ingress) -> Json:
    return {"from": [_peer(peer) for peer in rule.from_], **_ports(rule.ports)}


def _egress(rule: Egress) -> Json:
    return {"to": [_peer(peer) for peer in rule.to], **_ports(rule.ports)}


def _peer(peer: Peer) -> Json:
    if peer.ip_block is not None:
        return {"ipBlock": _block(peer.ip_block)}
    selectors = {"podSelector": peer.pod_selector, "namespaceSelector": peer.namespace_selector}
    return {name: _selector(selector) for name, selector in selectors.items() if selector is not None}


def _block(block: IpBlock) -> Json:
    except_ = [_plain(network) for network in block.except_]
    return {"cidr": _plain(block.cidr), **({"except": except_} if except_ else {})}


def _plain(network: str) -> str:
    """Return a network without bits of a host, which newer API servers refuse."""
    return str(ipaddress.ip_network(network, strict=False))


def _blocks(cidrs: Iterable[str]) -> list[Json]:
    return [{"ipBlock": {"cidr": cidr}} for cidr in _merged(cidrs)]


def _merged(cidrs: Iterable[str]) -> list[str]:
    """Return the fewest networks that mean the same."""
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return [*map(str, four), *map(str, six)]


def _distinct(peers: Iterable[Json]) -> list[Json]:
    """Return each peer once, always in the same order."""
    return [json.loads(text) for text in sorted({json.dumps(peer, sort_keys=True) for peer in peers})]
