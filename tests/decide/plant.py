"""A cluster with a Hub, a Module and others beside them, and what the Hub's NetworkPolicies make of it."""

from typing import Any

from decide.network_evaluator import Cluster, Outsider, Pod

from iotsec.api.hub import HubSpec
from iotsec.api.module import ModuleSpec
from iotsec.decide.network_policies import DEFAULT_DENY, ConnectedModule, NetworkPlan, OperatorPods, plan_network

NAMESPACES = ("iot", "nats", "apps", "other", "monitoring", "kube-system", "operator")
LABELS = {name: {"kubernetes.io/metadata.name": name} for name in NAMESPACES}
LABELS["apps"] |= {"iot": "yes"}
for _theirs in ("nats", "apps"):
    LABELS[_theirs] |= {"iotsec.dev/network": "iot"}

NATS = Pod("nats", "nats")
BILLING, ARCHIVE, STRANGER = Pod("apps", "billing"), Pod("apps", "archive"), Pod("apps", "stranger")
OPERATOR = Pod("operator", "operator", {"iotsec.dev/component": "operator"})
PROMETHEUS, DNS = Pod("monitoring", "prometheus"), Pod("kube-system", "coredns", {"k8s-app": "kube-dns"})
DATABASE, SHOP = Pod("other", "database"), Pod("other", "shop")
DEVICE, ELSEWHERE = Outsider("10.20.3.4"), Outsider("203.0.113.9")
EVERYBODY = (NATS, BILLING, ARCHIVE, STRANGER, OPERATOR, PROMETHEUS, DNS, DATABASE, SHOP, DEVICE, ELSEWHERE)

CLIENT, WEBSOCKET, MQTT, LEAFNODES, GATEWAY, ROUTES, MONITOR, METRICS = 4222, 8080, 1883, 7422, 7222, 6222, 8222, 7777
PORTS = (CLIENT, WEBSOCKET, MQTT, LEAFNODES, GATEWAY, ROUTES, MONITOR, METRICS, 22)

AT: dict[str, Any] = {"namespace": "nats", "podSelector": {"matchLabels": {"app": "nats"}}}
NETWORK: dict[str, Any] = {
    "nats": AT,
    "outside": [{"listener": "mqtt", "cidrs": ["10.20.0.0/16"]}],
    "monitoring": {"namespace": "monitoring"},
    "defaultDeny": {"from": "Selector", "selector": {"matchLabels": {"iot": "yes"}}},
}

OPEN: dict[str, Any] = {
    "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"namespaceSelector": {}}]}],
    "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
}


def hub(network: dict[str, Any] | None = None, **spec: Any) -> HubSpec:
    network = NETWORK if network is None else network
    return HubSpec.parse({"nats": {"servers": ["nats://nats"]}, "network": network, **spec})


def module(name: str, pod: Pod, *, namespace: str = "apps", **spec: Any) -> ConnectedModule:
    network = {"podSelector": {"matchLabels": {"app": pod.app}}, **spec.pop("network", {})}
    return ConnectedModule(namespace, name, ModuleSpec.parse({"hubRef": {"name": "plant"}, "network": network, **spec}))


BILLS = module(
    "billing",
    BILLING,
    network={
        "ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "shop"}}}]}],
        "egress": [
            {
                "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "database"}}}],
                "ports": [{"port": 5432}],
            }
        ],
    },
)


HERE = OperatorPods("operator")


def planned(spec: HubSpec, *modules: ConnectedModule, operator: OperatorPods | None = HERE) -> NetworkPlan:
    return plan_network("iot", "plant", spec, modules, operator=operator, labels=LABELS)


def cluster(spec: HubSpec, *modules: ConnectedModule) -> Cluster:
    return Cluster(planned(spec, *modules).policies, LABELS)


EVERYWHERE = {"from": "Selector", "selector": {}}


def closed_by(plan: NetworkPlan) -> set[str]:
    return {namespace for namespace, name in plan.policies if name == DEFAULT_DENY}


def reached_by(where: Cluster, source: Pod, *ports: int) -> set[tuple[Pod | Outsider, int]]:
    return {(target, port) for target in EVERYBODY for port in ports if where.allows(source, target, port)}
