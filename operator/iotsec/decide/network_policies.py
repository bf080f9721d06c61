"""NetworkPolicies of a Hub: who reaches its NATS servers, what its Modules reach, where nothing else flows.

Computed from what Hub and Modules say, nothing else: the same always gives the same objects. Ports are those of pods:
policies are held against packets that have a pod's address already (Kubernetes, concepts/services-networking).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from iotsec.api.hub import HubSpec
from iotsec.api.module import ModuleSpec
from iotsec.api.network import HubNetwork, ModuleNetwork, NatsPods
from iotsec.api.selectors import LabelSelector
from iotsec.decide import names
from iotsec.decide.admission import Labels
from iotsec.decide.listing import some_of
from iotsec.decide.network_consent import closed_namespaces, pods_of_nats, why_refused
from iotsec.decide.network_rules import Json, blocks, distinct, egress_of, ingress_of, merged, pods_in, tcp
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

OPERATOR_PODS = LabelSelector(match_labels={names.COMPONENT: "operator"})
"""The operator's own, whatever else they are labelled."""

_OF_A_MODULE = re.compile("(.+)-module(-[0-9]+)?").fullmatch
_BOTH = ("Ingress", "Egress")
_EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
INTERNAL = ("gateway", "leafnodes")
_LISTENER_OF = {
    "STANDARD": "client",
    "WEBSOCKET": "websocket",
    "MQTT": "mqtt",
    "MQTT_WS": "websocket",
    "LEAFNODE": "leafnodes",
    "LEAFNODE_WS": "websocket",
}


@dataclass(frozen=True, slots=True)
class ConnectedModule:
    """A Module that its Hub admits, as far as the network is concerned."""

    namespace: str
    name: str
    spec: ModuleSpec | None
    """``None`` where nobody can read what it says of the network; then what was made of it stays."""


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
    unread: frozenset[Place] = frozenset()
    """The Modules whose policies are not known."""

    def leaves(self, place: Place) -> bool:
        """Tell whether the policy there, if there is one, is a Module's and stays as it is."""
        namespace, name = place
        return (namespace, module_of_policy(name)) in self.unread


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
    every = sorted(modules, key=lambda one: (one.namespace, one.name))
    unread = [(one.namespace, one.name) for one in every if one.spec is None]
    connected = tuple(_connected(every, spec))
    kept = [(nats.namespace, nats.pods.pod_selector)]
    kept += sorted((one for one in pods_of_nats(hubs, labels) if one not in kept), key=repr)
    if operator is not None:
        kept.append((operator.namespace, OPERATOR_PODS))
    policies: dict[Place, Content] = {}
    nobodys: list[Place] = []
    for module in connected:
        found = _of_module(module, nats, kept)
        policies |= found
        if not found:
            nobodys.append((module.namespace, module.name))
    at, refused = (nats.namespace, f"{name}-nats"), why_refused(nats.namespace, namespace, labels)
    if not refused:
        policies[at] = _of_nats(nats, connected, operator)
    own = operator.namespace if operator is not None else None
    denied, spared = closed_namespaces(network, namespace, own, labels)
    policies |= {(one, DEFAULT_DENY): policy({}, [], []) for one in denied}
    cautions = (*_exposed(network), *spared, *_not_theirs(nobodys), *_not_read(unread), *_unreached(operator))
    told = {at: f"NetworkPolicy {'/'.join(at)}: {refused}"} if refused else {}
    return NetworkPlan(policies, told, cautions, frozenset(unread))


def module_policy_name(module: str, number: int = 1) -> str:
    """Name of a NetworkPolicy of a Module; it has more than one where several selectors say what one cannot."""
    return f"{module}-module" if number == 1 else f"{module}-module-{number}"


def module_of_policy(name: str) -> str | None:
    """Return the Module whose NetworkPolicies have such a name; ``None`` where it is none of a Module's."""
    found = _OF_A_MODULE(name)
    return found[1] if found else None


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
        return pods_in(self.namespace, self.pods.pod_selector)

    def ports(self, *listeners: str) -> list[Json]:
        return [tcp(getattr(self.pods.ports, listener)) for listener in listeners]

    def dns(self) -> Json:
        """Return the rule by which names are asked for."""
        asked = self.network.dns
        peers = [pods_in(asked.namespace, asked.pod_selector), *blocks(asked.cidrs)]
        ports = [{"protocol": protocol, "port": port} for port in sorted(asked.ports) for protocol in ("UDP", "TCP")]
        return {"to": peers, "ports": ports}


@dataclass(frozen=True, slots=True)
class _Connected:
    """A Module that says something of its network, and by which listeners it reaches NATS."""

    namespace: str
    name: str
    network: ModuleNetwork
    listeners: tuple[str, ...]


def _connected(modules: Iterable[ConnectedModule], hub: HubSpec) -> Iterator[_Connected]:
    for one in modules:
        if one.spec is not None and one.spec.network is not None:
            yield _Connected(one.namespace, one.name, one.spec.network, listeners_of(one.spec, hub))


def _of_nats(nats: _Nats, modules: Iterable[_Connected], operator: OperatorPods | None) -> Content:
    reached: dict[str, list[Json]] = {}
    for module in modules:
        peer = pods_in(module.namespace, module.network.pod_selector)
        for listener in module.listeners:
            reached.setdefault(listener, []).append(peer)
    if operator is not None:
        reached.setdefault("client", []).append(pods_in(operator.namespace, OPERATOR_PODS))
    for outside in nats.network.outside:
        reached.setdefault(outside.listener, []).extend(blocks(outside.cidrs))
    ingress = [{"from": distinct(peers), "ports": nats.ports(name)} for name, peers in sorted(reached.items())]
    ingress.append({"from": [nats.peer], "ports": nats.ports("cluster")})
    if (monitoring := nats.network.monitoring) is not None:
        peer = pods_in(monitoring.namespace, monitoring.pod_selector or LabelSelector())
        ingress.append({"from": [peer], "ports": nats.ports("monitor", "metrics")})
    egress = [{"to": [nats.peer], "ports": nats.ports("cluster")}, nats.dns()]
    if operator is not None and operator.revocation_port is not None:
        egress.append({"to": [pods_in(operator.namespace, OPERATOR_PODS)], "ports": [tcp(operator.revocation_port)]})
    egress += [egress_of(rule) for rule in nats.pods.egress]
    return policy(nats.pods.pod_selector.to_json(), ingress, egress)


def _of_module(module: _Connected, nats: _Nats, kept: Iterable[tuple[str, LabelSelector]]) -> dict[Place, Content]:
    """Return the policies of a Module; ``kept`` are pods that are no Module's, whatever it selects.

    What any policy allows is allowed: by one for the pods of NATS, who may write a Module would open their monitoring.
    """
    network = module.network
    to_nats = [{"to": [nats.peer], "ports": nats.ports(*module.listeners)}] if module.listeners else []
    egress = [*([nats.dns()] if network.dns else []), *to_nats, *(egress_of(rule) for rule in network.egress)]
    ingress = [ingress_of(rule) for rule in network.ingress]
    selectors = sparing(network.pod_selector, (pods for namespace, pods in kept if namespace == module.namespace))
    return {
        (module.namespace, module_policy_name(module.name, number)): policy(selector.to_json(), ingress, egress)
        for number, selector in enumerate(selectors, 1)
    }


def _exposed(network: HubNetwork) -> tuple[str, ...]:
    """Return what is open to everybody and should not be."""
    open_ = sorted(o.listener for o in network.outside if o.listener in INTERNAL and _EVERYBODY & set(merged(o.cidrs)))
    return tuple(
        f"the {one} listener, which is for other servers, is open to every address: name theirs" for one in open_
    )


def _not_theirs(modules: list[Place]) -> tuple[str, ...]:
    """Return whose selector takes nothing but pods that are no Module's."""
    why = (
        f"the selector of Module {_named(modules)} takes pods of NATS or of this operator alone, which are no Module's"
    )
    return (why,) if modules else ()


def _not_read(modules: list[Place]) -> tuple[str, ...]:
    """Return whose policies are those of before."""
    why = f"what Module {_named(modules)} says of the network cannot be read: its NetworkPolicies stay as they are"
    return (why,) if modules else ()


def _named(modules: list[Place]) -> str:
    return some_of(["/".join(place) for place in modules])


def _unreached(operator: OperatorPods | None) -> tuple[str, ...]:
    if operator is not None:
        return ()
    return (
        "this operator runs outside of the cluster: its address must be in spec.network.outside of the client listener",
    )
