"""Peers, ports and rules, as NetworkPolicies say them."""

import ipaddress
import json
from collections.abc import Iterable
from typing import Any

from iotsec.api.network import Egress, Ingress, IpBlock, Peer, Port
from iotsec.api.selectors import LabelSelector

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that every namespace has, with its name (Kubernetes 1.22)."""

Json = dict[str, Any]


def pods_in(namespace: str, selector: LabelSelector) -> Json:
    """Return the peer that is those pods of a namespace."""
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: namespace}}, "podSelector": selector.to_json()}


def tcp(port: int) -> Json:
    """Return one port of TCP."""
    return {"protocol": "TCP", "port": port}


def ingress_of(rule: Ingress) -> Json:
    """Return a rule of those who may connect."""
    return {"from": [_peer(peer) for peer in rule.from_], **_ports(rule.ports)}


def egress_of(rule: Egress) -> Json:
    """Return a rule of what may be reached."""
    return {"to": [_peer(peer) for peer in rule.to], **_ports(rule.ports)}


def blocks(cidrs: Iterable[str]) -> list[Json]:
    """Return the peers that are these networks, as few as can be."""
    return [{"ipBlock": {"cidr": cidr}} for cidr in merged(cidrs)]


def merged(cidrs: Iterable[str]) -> list[str]:
    """Return the fewest networks that mean the same."""
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return [*map(str, four), *map(str, six)]


def distinct(peers: Iterable[Json]) -> list[Json]:
    """Return each peer once, always in the same order."""
    return [json.loads(text) for text in sorted({json.dumps(peer, sort_keys=True) for peer in peers})]


def _ports(ports: Iterable[Port]) -> Json:
    """Return the field of the ports; none means every one."""
    found = [
        {"protocol": one.protocol, "port": one.port, **({"endPort": one.end_port} if one.end_port else {})}
        for one in ports
    ]
    return {"ports": found} if found else {}


def _peer(peer: Peer) -> Json:
    if peer.ip_block is not None:
        return {"ipBlock": _block(peer.ip_block)}
    selectors = {"podSelector": peer.pod_selector, "namespaceSelector": peer.namespace_selector}
    return {name: selector.to_json() for name, selector in selectors.items() if selector is not None}


def _block(block: IpBlock) -> Json:
    except_ = [_plain(network) for network in block.except_]
    return {"cidr": _plain(block.cidr), **({"except": except_} if except_ else {})}


def _plain(network: str) -> str:
    """Return a network without bits of a host, which newer API servers refuse."""
    return str(ipaddress.ip_network(network, strict=False))
