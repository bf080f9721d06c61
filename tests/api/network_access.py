"""Who may talk to whom, as users write it, and what is refused in that."""

from typing import Any

from api.objects import Json, Refused, hub, module

NATS = {"matchLabels": {"app.kubernetes.io/name": "nats"}}
PODS = {"matchLabels": {"app": "billing"}}
ANYBODY = {"namespaceSelector": {}}
CIDR = "10.20.0.0/16"
CHOSEN = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "y"]}]}
PORTS = [{"port": 1, "endPort": 65535}, {"port": 53, "protocol": "UDP"}]
PEERS = [
    {"podSelector": CHOSEN, "namespaceSelector": CHOSEN},
    {"podSelector": {}},
    {"ipBlock": {"cidr": CIDR, "except": ["10.20.1.0/24"]}},
]


def fenced(**network: Any) -> Json:
    """A Hub with NetworkPolicies."""
    return hub(network={"nats": {"podSelector": NATS}} | network)


def at(**nats: Any) -> Json:
    return fenced(nats={"podSelector": NATS} | nats)


def outside(*cidrs: str, listener: str = "mqtt") -> Json:
    return fenced(outside=[{"listener": listener, "cidrs": list(cidrs)}])


def connected(**network: Any) -> Json:
    """A Module with a NetworkPolicy."""
    return module(network={"podSelector": PODS} | network)


def reached(*peers: Json, **rule: Any) -> Json:
    return connected(ingress=[{"from": list(peers)} | rule])


def reaching(*peers: Json, **rule: Any) -> Json:
    return connected(egress=[{"to": list(peers)} | rule])


ACCEPTED: dict[str, Json] = {
    "the smallest network of a hub": fenced(),
    "a hub with every field of its network": fenced(
        nats={
            "namespace": "nats",
            "podSelector": CHOSEN,
            "ports": {
                "client": 4223,
                "websocket": 443,
                "mqtt": 8883,
                "leafnodes": 7423,
                "gateway": 7223,
                "cluster": 6223,
                "monitor": 8223,
                "metrics": 65535,
            },
            "egress": [{"to": PEERS, "ports": PORTS}],
        },
        outside=[
            {"listener": "mqtt", "cidrs": [CIDR, "2001:db8::/32"]},
            *({"listener": name, "cidrs": [CIDR]} for name in ("client", "websocket", "leafnodes", "gateway")),
        ],
        monitoring={"namespace": "monitoring", "podSelector": CHOSEN},
        dns={"namespace": "dns", "podSelector": CHOSEN, "cidrs": ["169.254.20.10/32"], "ports": [53, 5353]},
        defaultDeny={"from": "Selector", "selector": CHOSEN},
    ),
    "nothing but what is allowed in the hub's namespace": fenced(defaultDeny={}),
    "devices everywhere": outside("0.0.0.0/0", "::/0"),
    "the smallest network of a module": connected(),
    "a module with every field of its network": connected(
        podSelector=CHOSEN,
        allPods=False,
        ingress=[{"from": [ANYBODY], "ports": PORTS}, {"from": PEERS}],
        egress=[{"to": PEERS, "ports": PORTS}, {"to": [ANYBODY]}],
        dns=False,
    ),
    "a module that is its whole namespace": connected(podSelector={}, allPods=True),
}

_PORTS = "spec.network.ingress[0].ports[0]"
_PEER = "spec.network.egress[0].to[0]"

REFUSED: tuple[Refused, ...] = (
    Refused(
        "a module of every pod",
        connected(podSelector={}),
        "spec.network",
        "the selector takes every pod: name the labels of the pods that are meant, or set allPods to true",
    ),
    Refused(
        "a module of every pod, said at length",
        connected(podSelector={"matchLabels": {}, "matchExpressions": []}),
        "spec.network",
        "the selector takes every pod",
    ),
    Refused("nats in every pod", at(podSelector={}), "spec.network.nats", "the selector takes every pod"),
    Refused("no network of devices", outside("10.20.0.0"), "spec.network.outside[0].cidrs[0]", "write a network"),
    Refused("a network too small", outside("10.0.0.0/33"), "spec.network.outside[0].cidrs[0]", "write a network"),
    Refused("a network by name", outside("plant/24"), "spec.network.outside[0].cidrs[0]", "write a network"),
    Refused(
        "a namespace in capitals", at(namespace="NATS"), "spec.network.nats.namespace", "write the name of a namespace"
    ),
    Refused(
        "everything denied everywhere",
        fenced(defaultDeny={"from": "All"}),
        "spec.network.defaultDeny",
        "in every namespace, the cluster's own among them, nothing would work any more",
    ),
    Refused(
        "a selector that is not asked for",
        fenced(defaultDeny={"selector": PODS}),
        "spec.network.defaultDeny",
        "write a selector where from is Selector",
    ),
    Refused("ports backwards", reached(ANYBODY, ports=[{"port": 2, "endPort": 1}]), _PORTS, "endPort is the last"),
    Refused("a peer that is nobody", reaching({}), _PEER, "write podSelector, namespaceSelector or both"),
    Refused(
        "a peer of two sorts",
        reaching({"podSelector": PODS, "ipBlock": {"cidr": CIDR}}),
        _PEER,
        "write podSelector, namespaceSelector or both, or ipBlock alone",
    ),
    Refused(
        "an exception of the whole, which an API server takes in no NetworkPolicy",
        reaching({"ipBlock": {"cidr": CIDR, "except": [CIDR]}}),
        f"{_PEER}.ipBlock",
        "what is excepted is no part of cidr",
    ),
    Refused(
        "an exception from somewhere else",
        reaching({"ipBlock": {"cidr": CIDR, "except": ["10.21.0.0/24"]}}),
        f"{_PEER}.ipBlock",
        "what is excepted is no part of cidr",
    ),
    Refused(
        "an exception of another family",
        reaching({"ipBlock": {"cidr": CIDR, "except": ["2001:db8::/64"]}}),
        f"{_PEER}.ipBlock",
        "what is excepted is no part of cidr",
    ),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused("a network without NATS", hub(network={}), "spec.network.nats", ""),
    Refused("a module's network without pods", module(network={}), "spec.network.podSelector", ""),
    Refused("routes from outside", outside(CIDR, listener="cluster"), "spec.network.outside[0].listener", ""),
    Refused("devices from nowhere", outside(), "spec.network.outside[0].cidrs", ""),
    Refused("port zero", reached(ANYBODY, ports=[{"port": 0}]), f"{_PORTS}.port", ""),
    Refused("a port too high", reached(ANYBODY, ports=[{"port": 65536}]), f"{_PORTS}.port", ""),
    Refused("a rule for nobody", reached(), "spec.network.ingress[0].from", ""),
)
