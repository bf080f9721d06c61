"""Who may talk to whom over the network: what NetworkPolicies are made of, in the shapes that they have themselves."""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.meta import LABEL
from iotsec.api.model import Model
from iotsec.api.networks import Network
from iotsec.api.selectors import LabelSelector, Namespaces

PortNumber = Annotated[int, Field(ge=1, le=65535)]
NamespaceName = Annotated[str, Text(63, LABEL, "write the name of a namespace")]

OutsideListener = Literal["client", "websocket", "mqtt", "leafnodes", "gateway"]

_RULES, _PEERS, _PORTS, _CIDRS = 8, 8, 16, 256  # what the rules of labels cost is bounded by these

_BACKWARDS = "endPort is the last of a range that begins with port: write one that is no smaller"
_ONE_SORT = "write podSelector, namespaceSelector or both, or ipBlock alone"
_NO_PART = "what is excepted is no part of cidr: write networks within it, and smaller"
_EVERY_POD = "the selector takes every pod: name the labels of the pods that are meant"
_EVERY_NAMESPACE = "in every namespace, the cluster's own among them, nothing would work any more: choose by a selector"
_EVERY_POD_SAID = f"{_EVERY_POD}, or set allPods to true where every pod of the namespace is"


_DEMANDS = ("matchLabels", "matchExpressions")


def _takes_all(selector: str) -> str:
    """CEL that is true of a selector that asks for nothing."""
    parts = (f"(!has({selector}.{part}) || {selector}.{part}.size() == 0)" for part in _DEMANDS)
    return " && ".join(parts)


class Port(Model):
    """A port, or a range of them."""

    cel_rules = (Rule("!has(self.endPort) || self.endPort >= self.port", _BACKWARDS, path=".endPort"),)

    protocol: Literal["TCP", "UDP", "SCTP"] = Field(default="TCP", description="TCP by default.")
    port: PortNumber = Field(description="Port, the first one of a range.")
    end_port: PortNumber | None = Field(default=None, description="Last port of a range.")

    @model_validator(mode="after")
    def _runs_forwards(self) -> Self:
        if self.end_port is not None and self.end_port < self.port:
            raise ValueError(_BACKWARDS)
        return self


class IpBlock(Model):
    """Addresses outside of the cluster."""

    cel_rules = (
        Rule(
            "!has(self.except) || self.except.all(e, cidr(self.cidr).containsCIDR(e) && "
            "cidr(e).prefixLength() > cidr(self.cidr).prefixLength())",
            _NO_PART,
            path=".except",
        ),
    )

    cidr: Network = Field(description="Network, such as 10.0.0.0/8.")
    except_: Annotated[tuple[Network, ...], Items(16)] = Field(
        default=(), alias="except", description="Parts of it that are not meant."
    )

    @model_validator(mode="after")
    def _excepts_its_own(self) -> Self:
        whole = ipaddress.ip_network(self.cidr, strict=False)
        parts = (ipaddress.ip_network(part, strict=False) for part in self.except_)
        if not all(part.version == whole.version and part != whole and part.subnet_of(whole) for part in parts):  # type: ignore[arg-type]
            raise ValueError(_NO_PART)
        return self


class Peer(Model):
    """Who is on the other side, as a NetworkPolicy says it."""

    cel_rules = (Rule("has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))", _ONE_SORT),)

    pod_selector: LabelSelector | None = Field(
        default=None, description="Pods, in the namespaces chosen; in the Module's own where none are."
    )
    namespace_selector: LabelSelector | None = Field(default=None, description="Namespaces; an empty one takes all.")
    ip_block: IpBlock | None = Field(default=None, description="Addresses outside of the cluster.")

    @model_validator(mode="after")
    def _is_of_one_sort(self) -> Self:
        selects = self.pod_selector is not None or self.namespace_selector is not None
        if selects == (self.ip_block is not None):
            raise ValueError(_ONE_SORT)
        return self


_Peers = Annotated[tuple[Peer, ...], Items(_PEERS, min_items=1)]
_Ports = Annotated[tuple[Port, ...], Items(_PORTS)]


class Ingress(Model):
    """Who may connect to which ports."""

    from_: _Peers = Field(alias="from", description="Who may.")
    ports: _Ports = Field(default=(), description="Ports; every one by default.")


class Egress(Model):
    """What may be connected to."""

    to: _Peers = Field(description="What may be reached.")
    ports: _Ports = Field(default=(), description="Ports; every one by default.")


class ModuleNetwork(Model):
    """What the pods of a Module may be reached by, and reach; nothing else, but for DNS and NATS."""

    cel_rules = (
        Rule(
            f"(has(self.allPods) && self.allPods) || !({_takes_all('self.podSelector')})",
            _EVERY_POD_SAID,
            path=".podSelector",
        ),
    )

    pod_selector: LabelSelector = Field(description="The pods of the Module, in its namespace.")
    all_pods: bool = Field(default=False, description="Whether a selector that takes every pod is meant so.")
    ingress: Annotated[tuple[Ingress, ...], Items(_RULES)] = Field(
        default=(), description="Who may connect to them; nobody by default."
    )
    egress: Annotated[tuple[Egress, ...], Items(_RULES)] = Field(
        default=(), description="What they may connect to beside DNS and NATS; nothing by default."
    )
    dns: bool = Field(default=True, description="Whether they may ask for names; they may by default.")

    @model_validator(mode="after")
    def _means_some_pods(self) -> Self:
        if not self.all_pods and takes_all(self.pod_selector):
            raise ValueError(_EVERY_POD_SAID)
        return self


class NatsPorts(Model):
    """Ports of the NATS pods; those of the official Helm chart by default."""

    client: PortNumber = Field(default=4222, description="Clients; 4222 by default.")
    websocket: PortNumber = Field(default=8080, description="WebSocket; 8080 by default.")
    mqtt: PortNumber = Field(default=1883, description="MQTT; 1883 by default.")
    leafnodes: PortNumber = Field(default=7422, description="Leaf nodes; 7422 by default.")
    gateway: PortNumber = Field(default=7222, description="Gateways of other clusters; 7222 by default.")
    cluster: PortNumber = Field(default=6222, description="Routes between servers; 6222 by default.")
    monitor: PortNumber = Field(default=8222, description="Monitoring over HTTP; 8222 by default.")
    metrics: PortNumber = Field(default=7777, description="The exporter for Prometheus; 7777 by default.")


class NatsPods(Model):
    """Where NATS runs."""

    cel_rules = (Rule(f"!({_takes_all('self.podSelector')})", _EVERY_POD, path=".podSelector"),)

    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of its pods; the Hub's by default. Another one has the label iotsec.dev/network, with "
        "the name of the Hub's.",
    )
    pod_selector: LabelSelector = Field(description="Its pods.")
    ports: NatsPorts = Field(default=NatsPorts(), description="Ports of its pods.")
    egress: Annotated[tuple[Egress, ...], Items(_RULES)] = Field(
        default=(), description="What it reaches beside its own pods and DNS, such as gateways of other clusters."
    )

    @model_validator(mode="after")
    def _means_some_pods(self) -> Self:
        if takes_all(self.pod_selector):
            raise ValueError(_EVERY_POD)
        return self


class Outside(Model):
    """Addresses from which a listener is reached: those of devices, of people, of other sites."""

    listener: OutsideListener = Field(description="Listener that is reached.")
    cidrs: Annotated[tuple[Network, ...], Items(_CIDRS, min_items=1, kind="set")] = Field(
        description="Networks that reach it."
    )


class Monitoring(Model):
    """Who may ask NATS how it is: whoever may reads credentials (the monitoring port shows them)."""

    namespace: NamespaceName = Field(description="Namespace that asks.")
    pod_selector: LabelSelector | None = Field(default=None, description="Pods there; all of them by default.")


class Dns(Model):
    """Where names are asked for."""

    namespace: NamespaceName = Field(default="kube-system", description="Its namespace; kube-system by default.")
    pod_selector: LabelSelector = Field(
        default=LabelSelector(match_labels={"k8s-app": "kube-dns"}),
        description="Its pods; those labelled k8s-app=kube-dns by default.",
    )
    cidrs: Annotated[tuple[Network, ...], Items(16, kind="set")] = Field(
        default=(), description="Addresses of caches on the nodes, such as 169.254.20.10/32."
    )
    ports: Annotated[tuple[PortNumber, ...], Items(8, min_items=1, kind="set")] = Field(
        default=(53,), description="Ports of its pods and caches, by UDP and TCP; 53 by default."
    )


class DefaultDeny(Namespaces):
    """Namespaces in which nothing is reached, or reaches out, but what a NetworkPolicy allows; others must let it."""

    cel_rules = (*Namespaces.cel_rules, Rule("!has(self.from) || self.from != 'All'", _EVERY_NAMESPACE, path=".from"))

    @model_validator(mode="after")
    def _leaves_the_cluster_alone(self) -> Self:
        if self.from_ == "All":
            raise ValueError(_EVERY_NAMESPACE)
        return self


class HubNetwork(Model):
    """Who reaches NATS over the network."""

    nats: NatsPods = Field(description="Where NATS runs.")
    outside: Annotated[tuple[Outside, ...], Items(5, kind="map", key="listener")] = Field(
        default=(), description="Addresses from which listeners are reached; from nowhere outside by default."
    )
    monitoring: Monitoring | None = Field(default=None, description="Who may ask NATS how it is; nobody by default.")
    dns: Dns = Field(default=Dns(), description="Where names are asked for.")
    default_deny: DefaultDeny | None = Field(
        default=None, description="Where nothing flows but what is allowed; nowhere by default."
    )


def takes_all(selector: LabelSelector) -> bool:
    """Tell whether a selector asks for nothing, and so takes every object."""
    return not selector.match_labels and not selector.match_expressions
