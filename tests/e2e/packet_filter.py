"""NetworkPolicies as packets feel them: a cluster's policies, put into the node's packet filter.

A network plugin would do this. None of those that do installs from a package registry, so the few rules that it takes
are worked out here, from the objects on the API server alone. A policy's answer is by address: pods have theirs before
the rules are made, and who opened a connection may be answered.
"""

import ipaddress
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from decide.network_evaluator import meets

from testbed.api import Api

Json = Mapping[str, Any]

_CHAIN = "IOTSEC-POLICIES"
_ANSWERS = ("--match", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "--jump", "RETURN")
_SIDES = {
    "Ingress": ("ingress", "from", "--source", "--destination"),
    "Egress": ("egress", "to", "--destination", "--source"),
}


@dataclass(frozen=True)
class RunningPod:
    """A pod that has an address."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    address: str


def commands(
    policies: Iterable[Json], pods: Iterable[RunningPod], namespaces: Mapping[str, Mapping[str, str]]
) -> list[list[str]]:
    """What iptables is told, in order: a chain for each pod and direction that a policy isolates."""
    policies, pods = tuple(policies), tuple(pods)
    made = [["--new-chain", _CHAIN], ["--append", _CHAIN, *_ANSWERS]]
    for number, pod in enumerate(pods):
        for direction, (field, side, other, own) in _SIDES.items():
            isolating = [policy["spec"] for policy in policies if _isolates(policy, pod, direction)]
            if not isolating:
                continue
            chain = f"{_CHAIN}-{direction[0]}{number}"
            made.append(["--new-chain", chain])
            made += [
                ["--append", chain, *((other, address) if address else ()), *ports, "--jump", "RETURN"]
                for spec in isolating
                for rule in spec.get(field) or ()
                for address in _addresses(rule.get(side) or (), pod, pods, namespaces)
                for ports in _ports(rule.get("ports") or ())
            ]
            made.append(["--append", chain, "--jump", "DROP"])
            made.append(["--append", _CHAIN, own, pod.address, "--jump", chain])
    return made


def policies_of(api: Api) -> list[Json]:
    """All policies of a cluster; ports that they name, as containers do, are numbers."""
    pods = api.request("GET", "/api/v1/pods")["items"]
    ports = [port for pod in pods for container in pod["spec"]["containers"] for port in container.get("ports", ())]
    numbers = {port["name"]: port["containerPort"] for port in ports if "name" in port}
    found: list[Json] = api.request("GET", "/apis/networking.k8s.io/v1/networkpolicies")["items"]
    for rule in (
        rule for policy in found for field in ("ingress", "egress") for rule in policy["spec"].get(field) or ()
    ):
        for port in rule.get("ports") or ():
            port["port"] = numbers.get(port["port"], port["port"])
    return found


@contextmanager
def enforced(api: Api) -> Iterator[None]:
    """All policies of a cluster hold for the pods that run now, while the block runs."""
    pods = [pod for found in api.request("GET", "/api/v1/pods")["items"] if (pod := _running(found)) is not None]
    namespaces = api.request("GET", "/api/v1/namespaces")["items"]
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in namespaces}
    made = commands(policies_of(api), pods, labels)
    chains = [command[1] for command in made if command[0] == "--new-chain"]
    for command in made:
        _iptables(*command)
    for hook in ("FORWARD", "INPUT"):  # to other pods, and to the node itself
        _iptables("--insert", hook, "--jump", _CHAIN)
    try:
        yield
    finally:
        for hook in ("FORWARD", "INPUT"):
            _iptables("--delete", hook, "--jump", _CHAIN)
        for act in ("--flush", "--delete-chain"):
            for chain in chains:
                _iptables(act, chain)


def _running(pod: Json) -> RunningPod | None:
    metadata, address = pod["metadata"], pod["status"].get("podIP")
    if not address or pod["spec"].get("hostNetwork"):
        return None
    return RunningPod(metadata["namespace"], metadata["name"], metadata.get("labels", {}), address)


def _isolates(policy: Json, pod: RunningPod, direction: str) -> bool:
    spec = policy["spec"]
    here = policy["metadata"]["namespace"] == pod.namespace
    return here and direction in spec["policyTypes"] and meets(spec["podSelector"], pod.labels)


def _addresses(
    peers: Iterable[Json], pod: RunningPod, pods: Iterable[RunningPod], namespaces: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """The addresses of those who are meant; an empty one is everybody's."""
    peers = tuple(peers)
    if not peers:
        yield ""
    for peer in peers:
        if "ipBlock" in peer:
            if ipaddress.ip_network(peer["ipBlock"]["cidr"]).version == 4:  # the node has no other
                assert not peer["ipBlock"].get("except"), "not needed so far"
                yield peer["ipBlock"]["cidr"]
            continue
        for other in pods:
            chosen = peer.get("namespaceSelector")
            here = other.namespace == pod.namespace if chosen is None else meets(chosen, namespaces[other.namespace])
            if here and meets(peer.get("podSelector", {}), other.labels):
                yield other.address


def _ports(ports: Iterable[Json]) -> Iterator[list[str]]:
    ports = tuple(ports)
    if not ports:
        yield []
    for port in ports:
        protocol = port.get("protocol", "TCP").lower()
        yield ["--protocol", protocol, "--dport", f"{port['port']}:{port.get('endPort', port['port'])}"]


def _iptables(*command: str) -> None:
    subprocess.run(["/usr/sbin/iptables", "--wait", *command], check=True)
