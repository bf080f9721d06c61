"""Packets on the node: what the operator's NetworkPolicies allow passes, and nothing else does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from decide.network_evaluator import Cluster as Evaluated
from decide.network_evaluator import Outsider, Pod
from e2e.conftest import Site
from e2e.installation import NAME
from e2e.packet_filter import enforced, policies_of
from e2e.within import Network, beside_the_node, network_of

from testbed.node.cluster import Cluster
from testbed.node.pods import PROBE, pods_of, wait_phase
from testbed.user import User, condition_of

pytestmark = pytest.mark.own_node

CLIENT, MQTT, ROUTES, MONITOR, ELSE = 4222, 1883, 6222, 8222, 8080
PORTS = (CLIENT, MQTT, ROUTES, MONITOR, ELSE)
DEVICE, STRANGER = Outsider("10.20.3.4"), Outsider("10.21.3.4")
NETWORK = {
    "nats": {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "nats"}}},
    "outside": [{"listener": "mqtt", "cidrs": ["10.20.0.0/16"]}],
    "monitoring": {"namespace": "monitoring"},
    "defaultDeny": {},
}
MODULE = {
    "hubRef": {"name": "plant"},
    "network": {
        "podSelector": {"matchLabels": {"app": "billing"}},
        "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]}],
    },
}


@dataclass(frozen=True)
class Fenced:
    """Who there is on the node, where each can be dialled from, and what the policies say."""

    networks: dict[Pod | Outsider, Network]
    addresses: dict[Pod, str]
    evaluated: Evaluated

    def passes(self, source: Pod | Outsider, target: Pod, port: int) -> bool:
        return self.networks[source].passes(self.addresses[target], port)


def start(user: User, app: str) -> None:
    """Start a pod that listens, labelled with its name."""
    container = {"name": app, "image": PROBE, "imagePullPolicy": "Never", "args": ["listen", str(ELSE)]}
    user.create("Pod", app, metadata={"name": app, "labels": {"app": app}}, spec={"containers": [container]})


def pod_of(found: dict[str, Any]) -> Pod:
    metadata = found["metadata"]
    labels = metadata.get("labels", {})
    return Pod(metadata["namespace"], labels.get("app", metadata["name"]), labels)


@pytest.fixture(scope="module")
def fenced(site: Site, cluster: Cluster) -> Iterator[Fenced]:
    """The quickstart with a network, a Module's pod, one that is nobody's, monitoring, and two machines outside."""
    api, user = cluster.api, site.user
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "monitoring"}})
    monitoring = User(api, "monitoring")
    user.patch("Hub", "plant", {"spec": {"network": NETWORK}})
    user.apply("Module", "billing", MODULE)
    for where, app in ((user, "billing"), (user, "shell"), (monitoring, "prometheus")):
        where.wait_for("ServiceAccount", "default", bool)
        start(where, app)
        wait_phase(where, app, "Running")
    user.wait_ready("Module", "billing")
    user.wait_for("NetworkPolicy", "billing-module", bool)
    user.wait_for("Hub", "plant", lambda it: condition_of(it, "NetworkPoliciesWritten").get("status") == "True")
    pods = [
        *(user.wait_for("Pod", name, bool) for name in ("billing", "shell")),
        monitoring.wait_for("Pod", "prometheus", bool),
        *pods_of(user, **{"app.kubernetes.io/name": "nats"})[:2],
        pods_of(site.operator, **{"app.kubernetes.io/name": NAME})[0],
    ]
    addresses = {pod_of(pod): pod["status"]["podIP"] for pod in pods}
    labels = {
        one["metadata"]["name"]: one["metadata"]["labels"] for one in api.request("GET", "/api/v1/namespaces")["items"]
    }
    with (
        beside_the_node("device", DEVICE.address, "10.20.3.1") as device,
        beside_the_node("stranger", STRANGER.address, "10.21.3.1") as stranger,
        enforced(api),
    ):
        networks: dict[Pod | Outsider, Network] = {pod: network_of(address) for pod, address in addresses.items()}
        yield Fenced(
            {**networks, DEVICE: device, STRANGER: stranger}, addresses, Evaluated.of(policies_of(api), labels)
        )
    user.delete("Module", "billing")
    user.patch("Hub", "plant", {"spec": {"network": None}})


def named(fenced: Fenced, app: str) -> Pod:
    return next(pod for pod in fenced.addresses if pod.app == app or pod.others.get("app.kubernetes.io/name") == app)


@pytest.mark.parametrize(
    ("source", "port", "passes"),
    [
        ("billing", CLIENT, True),
        ("billing", MONITOR, False),
        ("billing", ROUTES, False),
        ("shell", CLIENT, False),
        ("shell", MONITOR, False),
        ("prometheus", MONITOR, True),
        ("prometheus", CLIENT, False),
        (NAME, CLIENT, True),
        (NAME, ROUTES, False),
    ],
)
def test_packets_reach_nats_from_whom_it_is_for(fenced: Fenced, source: str, port: int, passes: bool) -> None:  # noqa: FBT001
    assert fenced.passes(named(fenced, source), named(fenced, "nats"), port) == passes


def test_devices_reach_their_listener_and_strangers_none(fenced: Fenced) -> None:
    nats = named(fenced, "nats")

    assert [fenced.passes(who, nats, MQTT) for who in (DEVICE, STRANGER)] == [True, False]
    assert not fenced.passes(DEVICE, nats, CLIENT)


def test_servers_reach_each_others_routes(fenced: Fenced) -> None:
    one, other = (pod for pod in fenced.addresses if pod.others.get("app.kubernetes.io/name") == "nats")

    assert fenced.passes(one, other, ROUTES)
    assert not fenced.passes(one, other, MONITOR)


def test_every_packet_does_as_the_definition_of_the_policies_says(fenced: Fenced) -> None:
    """Of everybody to everybody at every port: the filter and the evaluator were written apart from each other."""
    ways = [
        (source, target, port)
        for source in fenced.networks
        for target in fenced.addresses
        for port in PORTS
        if source != target
    ]

    with ThreadPoolExecutor(max_workers=16) as dialling:
        passed = dict(zip(ways, dialling.map(lambda way: fenced.passes(*way), ways), strict=True))

    assert {way for way in ways if passed[way]} == {way for way in ways if fenced.evaluated.allows(*way)}
    assert 0 < sum(passed.values()) < len(ways)
