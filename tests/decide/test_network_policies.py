"""Who reaches whom, by the NetworkPolicies of a Hub and its Modules."""

import ipaddress
from typing import Any

import pytest
from decide.network_evaluator import Cluster, Outsider, Pod, meets
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("port", "allowed"),
    [
        (CLIENT, {BILLING, OPERATOR}),
        (MQTT, {DEVICE}),
        (WEBSOCKET, set()),
        (LEAFNODES, set()),
        (GATEWAY, set()),
        (ROUTES, {NATS}),
        (MONITOR, {PROMETHEUS}),
        (METRICS, {PROMETHEUS}),
        (22, set()),
    ],
)
def test_nats_is_reached_by_whom_it_is_for_and_by_nobody_else(port: int, allowed: set[Any]) -> None:
    where = cluster(hub(), BILLS)

    assert {one for one in EVERYBODY if where.allows(one, NATS, port)} == allowed


def test_a_module_reaches_names_nats_and_what_it_declares() -> None:
    where = cluster(hub(), BILLS)

    reached = {
        (repr(target), port)
        for target in EVERYBODY
        for port in (*PORTS, 53, 5432)
        if where.allows(BILLING, target, port)
    }

    assert reached == {(repr(DNS), 53), (repr(NATS), CLIENT), (repr(DATABASE), 5432)}
    assert where.allows(BILLING, DNS, 53, "UDP")
    assert not where.allows(BILLING, DNS, 5353, "UDP")


def test_a_module_is_reached_by_whom_it_declares() -> None:
    where = cluster(hub(), BILLS)

    assert [one for one in EVERYBODY if where.allows(one, BILLING, 8080)] == [SHOP]


def test_in_a_namespace_that_is_closed_a_pod_of_nobodys_reaches_nothing() -> None:
    where = cluster(hub(), BILLS)

    assert not any(where.allows(STRANGER, target, port) for target in EVERYBODY for port in (*PORTS, 53))
    assert not any(where.allows(one, STRANGER, port) for one in EVERYBODY for port in PORTS)


def test_a_namespace_that_nobody_closed_is_as_it_was() -> None:
    where = cluster(hub(), BILLS)

    assert where.allows(SHOP, DATABASE, 5432)
    assert where.allows(ELSEWHERE, SHOP, 443)


def test_who_may_ask_for_no_names_may_not() -> None:
    where = cluster(hub(), module("billing", BILLING, network={"dns": False}))

    assert not where.allows(BILLING, DNS, 53, "UDP")
    assert where.allows(BILLING, NATS, CLIENT)


def test_a_cache_of_names_on_the_node_is_reached() -> None:
    where = cluster(hub(NETWORK | {"dns": {"cidrs": ["169.254.20.10/32"]}}), BILLS)

    assert where.allows(BILLING, Outsider("169.254.20.10"), 53, "UDP")
    assert not where.allows(BILLING, Outsider("169.254.20.11"), 53, "UDP")


@pytest.mark.parametrize(
    ("types", "ports"),
    [
        (["STANDARD"], {CLIENT}),
        (["WEBSOCKET"], {WEBSOCKET}),
        (["STANDARD", "WEBSOCKET"], {CLIENT, WEBSOCKET}),
        (["MQTT"], {MQTT}),
        (["MQTT_WS"], {WEBSOCKET}),
        (["LEAFNODE"], {LEAFNODES}),
        (["LEAFNODE_WS"], {WEBSOCKET}),
        (["IN_PROCESS"], set()),
    ],
    ids=lambda value: "+".join(map(str, value)),
)
@pytest.mark.parametrize("says", ["it", "its role"])
def test_a_module_reaches_the_listeners_of_its_connection_types(types: list[str], ports: set[int], says: str) -> None:
    role = {"name": "edge", "publish": {"allow": ["a"]}, "connectionTypes": types}
    spec = {"role": "edge"} if says == "its role" else {"connectionTypes": types}

    where = cluster(hub(roles=[role]), module("billing", BILLING, **spec))

    assert {port for port in PORTS if where.allows(BILLING, NATS, port)} == ports


def test_a_suspended_module_does_not_reach_nats() -> None:
    where = cluster(hub(), module("billing", BILLING, suspended=True))

    assert not any(where.allows(BILLING, NATS, port) for port in PORTS)


OPEN: dict[str, Any] = {
    "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"namespaceSelector": {}}]}],
    "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
}
SELECTORS: list[dict[str, Any]] = [
    {"podSelector": {"matchLabels": {"app": "nats"}}},
    {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "server"}}},
    {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["nats", "stranger"]}]}},
    {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["stranger"]}]}},
    {"podSelector": {}, "allPods": True},
]
SERVER = Pod("nats", "nats", {"app.kubernetes.io/component": "server"})


@pytest.mark.parametrize("pods", SELECTORS, ids=str)
@pytest.mark.parametrize(
    "labels",
    [
        {"matchLabels": {"app": "nats"}},
        {"matchLabels": {"app": "nats", "app.kubernetes.io/component": "server"}},
        {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "Exists"}]},
    ],
    ids=str,
)
def test_a_module_beside_nats_opens_nothing_of_it_whatever_it_selects(
    pods: dict[str, Any], labels: dict[str, Any]
) -> None:
    thief = module("thief", NATS, namespace="nats", network=OPEN | pods)

    where = cluster(hub(NETWORK | {"nats": {"namespace": "nats", "podSelector": labels}}), thief)

    for port in (ROUTES, MONITOR, METRICS, MQTT, GATEWAY, 22):
        assert not where.allows(ELSEWHERE, SERVER, port)
        assert not where.allows(STRANGER, SERVER, port)
    assert not where.allows(SERVER, ELSEWHERE, 443)


@pytest.mark.parametrize(
    ("hub_namespace", "spared"), [("iot", True), ("nats", True), ("office", False)], ids=["ours", "theirs", "nobody's"]
)
def test_a_module_opens_nothing_of_another_hubs_servers_where_that_hub_has_a_say(
    hub_namespace: str, *, spared: bool
) -> None:
    others = hub({"nats": {"namespace": "nats", "podSelector": {"matchLabels": {"app": "others"}}}})
    thief = module("thief", NATS, namespace="nats", network=OPEN | {"podSelector": {}, "allPods": True})

    plan = plan_network("iot", "plant", hub(), [thief], operator=HERE, labels=LABELS, hubs=[(hub_namespace, others)])

    server = Pod("nats", "others", {"app": "others"})
    selectors = [spec["podSelector"] for (_, name), spec in plan.policies.items() if "thief" in name]
    assert any(meets(selector, server.labels) for selector in selectors) is not spared


def test_a_module_beside_the_operator_opens_nothing_of_it() -> None:
    thief = module("thief", OPERATOR, namespace="operator", network=OPEN | {"podSelector": {}, "allPods": True})

    selectors = [spec["podSelector"] for (_, name), spec in planned(hub(), thief).policies.items() if "thief" in name]

    assert not any(meets(selector, OPERATOR.labels) for selector in selectors)
    assert any(meets(selector, {"app": "its own"}) for selector in selectors)


def test_a_module_that_has_labels_in_common_with_nats_keeps_all_of_its_own_pods() -> None:
    release = {"app.kubernetes.io/instance": "plant"}
    servers = {"namespace": "nats", "podSelector": {"matchLabels": {"app": "nats", **release}}}
    ingest = Pod("nats", "ingest", release)
    selector = {"matchLabels": release}

    plan = planned(
        hub(NETWORK | {"nats": servers}), module("ingest", ingest, namespace="nats", network={"podSelector": selector})
    )

    where = Cluster(plan.policies, LABELS)
    assert where.allows(ingest, Pod("nats", "nats", release), CLIENT)
    assert not where.allows(ingest, ELSEWHERE, 443)
    assert not where.allows(STRANGER, ingest, 80)
    assert plan.cautions == ()


def test_a_module_of_nothing_but_the_pods_of_nats_has_no_policy_and_that_is_told() -> None:
    plan = planned(hub(), module("thief", NATS, namespace="nats"))

    assert {name for _, name in plan.policies} == {"plant-nats", DEFAULT_DENY}
    assert plan.cautions == (
        "the selector of Module nats/thief takes pods of NATS or of this operator alone, which are no Module's",
    )


def test_a_module_that_goes_takes_its_policy_and_its_way_to_nats_along() -> None:
    with_it = planned(hub(), BILLS, module("archive", ARCHIVE)).policies
    without = planned(hub(), BILLS).policies

    assert with_it.keys() - without.keys() == {("apps", "archive-module")}
    assert not Cluster({**with_it, **without}, LABELS).allows(ARCHIVE, NATS, CLIENT)


def test_a_hub_that_says_nothing_of_the_network_has_no_policies() -> None:
    spec = HubSpec.parse({"nats": {"servers": ["nats://nats"]}})

    assert planned(spec, BILLS) == NetworkPlan()


def test_the_servers_reach_each_other_names_the_operators_answers_and_what_is_declared() -> None:
    elsewhere = {"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": GATEWAY}]}
    spec = hub(NETWORK | {"nats": AT | {"egress": [elsewhere]}})

    where = Cluster(planned(spec, BILLS, operator=OperatorPods("operator", 8085)).policies, LABELS)

    reached = reached_by(where, NATS, *PORTS, 53, 8085)
    assert reached == {(NATS, ROUTES), (DNS, 53), (OPERATOR, 8085), (ELSEWHERE, GATEWAY)}


def test_networks_are_written_as_few_as_mean_the_same() -> None:
    cidrs = ["10.0.0.0/25", "10.0.0.128/25", "10.0.0.7/8", "10.1.0.0/16", "2001:db8::/33", "2001:db8:8000::/33"]
    spec = hub({"nats": AT, "outside": [{"listener": "mqtt", "cidrs": cidrs}]})

    (rule,) = [r for r in planned(spec).policies["nats", "plant-nats"]["ingress"] if r["ports"][0]["port"] == MQTT]

    assert [peer["ipBlock"]["cidr"] for peer in rule["from"]] == ["10.0.0.0/8", "2001:db8::/32"]


def test_the_clusters_own_namespaces_and_the_operators_stay_open_and_that_is_told() -> None:
    network = NETWORK | {"dns": {"namespace": "dns"}, "defaultDeny": EVERYWHERE}
    clusters = ("kube-system", "kube-flannel", "dns", "operator")
    labels = {name: {"iotsec.dev/network": "iot"} for name in ("iot", "apps", *clusters)}

    plan = plan_network("iot", "plant", hub(network), [], operator=HERE, labels=labels)

    assert closed_by(plan) == {"iot", "apps"}
    assert "defaultDeny leaves out dns, kube-flannel, kube-system, operator" in plan.cautions[0]


def test_a_hub_closes_no_namespace_that_does_not_let_it_and_says_how_many() -> None:
    plan = planned(hub(NETWORK | {"defaultDeny": EVERYWHERE}))

    assert closed_by(plan) == {"iot", "nats", "apps"}
    assert plan.cautions == (
        "defaultDeny takes 4 namespaces that do not let it: have each labelled iotsec.dev/network=iot",
    )


@pytest.mark.parametrize("label", [{}, {"iotsec.dev/network": "nats"}], ids=["unlabelled", "for others"])
def test_a_hub_opens_no_pods_of_a_namespace_that_does_not_let_it(label: dict[str, str]) -> None:
    everybody = [{"listener": "client", "cidrs": ["0.0.0.0/0"]}]
    theirs = {"namespace": "victim", "podSelector": {"matchLabels": {"app": "vault"}}, "ports": {"client": 8200}}
    labels = {**LABELS, "victim": label}

    spec = hub({"nats": theirs, "outside": everybody})
    plan = plan_network("iot", "plant", spec, [], operator=HERE, labels=labels)

    assert plan.policies == {}
    assert plan.refused["victim", "plant-nats"].endswith(
        "namespace victim does not let Hubs of iot write it: have victim labelled iotsec.dev/network=iot"
    )


def test_nats_in_a_namespace_that_is_not_there_is_told() -> None:
    spec = hub({"nats": AT | {"namespace": "gone"}})

    assert "there is no namespace gone" in planned(spec).refused["gone", "plant-nats"]


def test_an_operator_of_some_namespaces_may_write_in_each_for_a_hub_in_any() -> None:
    plan = plan_network("iot", "plant", hub({"nats": AT}), [], operator=HERE, labels={"iot": None, "nats": None})

    assert plan.policies.keys() == {("nats", "plant-nats")}


def test_by_labels_that_nobody_may_look_at_nothing_is_closed_and_that_is_told() -> None:
    unknown = dict.fromkeys(LABELS)

    plan = plan_network("iot", "plant", hub(), [], operator=HERE, labels=unknown)

    assert DEFAULT_DENY not in {name for _, name in plan.policies}
    assert "may not look at labels of namespaces" in plan.cautions[0]


def test_a_listener_for_servers_that_is_open_to_everybody_is_told_of() -> None:
    halves = ["0.0.0.0/1", "128.0.0.0/1"]
    outside = [{"listener": name, "cidrs": halves} for name in ("client", "mqtt", "gateway", "leafnodes")]

    plan = planned(hub(NETWORK | {"outside": outside}))

    assert [told.split(",")[0] for told in plan.cautions] == ["the gateway listener", "the leafnodes listener"]


def test_an_operator_that_runs_elsewhere_says_that_it_must_be_let_in() -> None:
    (told,) = planned(hub(), operator=None).cautions

    assert "its address must be in spec.network.outside" in told


MODULES = st.lists(
    st.builds(
        lambda name, pod, types, suspended: module(
            f"m{name}", pod, namespace=pod.namespace, connectionTypes=[types], suspended=suspended, network=OPEN
        ),
        st.integers(0, 9),
        st.sampled_from([BILLING, ARCHIVE, DATABASE, SHOP, PROMETHEUS, NATS]),
        st.sampled_from(["STANDARD", "WEBSOCKET", "MQTT", "LEAFNODE", "LEAFNODE_WS", "IN_PROCESS"]),
        st.booleans(),
    ),
    max_size=5,
    unique_by=lambda one: (one.namespace, one.name),
)
CIDRS = st.lists(
    st.builds(
        lambda address, length: str(ipaddress.ip_network((address, length), strict=False)),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)
LISTENERS = {"client": CLIENT, "websocket": WEBSOCKET, "mqtt": MQTT, "leafnodes": LEAFNODES, "gateway": GATEWAY}
OUTSIDE = st.dictionaries(st.sampled_from(sorted(LISTENERS)), CIDRS)


@given(MODULES, OUTSIDE)
def test_whatever_is_declared_routes_and_monitoring_are_for_whom_they_are(
    modules: list[ConnectedModule], outside: dict[str, list[str]]
) -> None:
    listed = [{"listener": name, "cidrs": cidrs} for name, cidrs in outside.items()]

    where = cluster(hub(NETWORK | {"outside": listed}), *modules)

    assert [one for one in EVERYBODY if where.allows(one, NATS, ROUTES)] == [NATS]
    for port in (MONITOR, METRICS):
        assert [one for one in EVERYBODY if where.allows(one, NATS, port)] in ([PROMETHEUS], [])


@given(OUTSIDE, st.integers(0, 2**32 - 1))
def test_an_address_reaches_a_listener_where_a_network_of_that_listener_has_it(
    outside: dict[str, list[str]], number: int
) -> None:
    address = ipaddress.IPv4Address(number)
    listed = [{"listener": name, "cidrs": cidrs} for name, cidrs in outside.items()]

    where = cluster(hub({"nats": AT, "outside": listed}))

    for name, port in LISTENERS.items():
        named = any(address in ipaddress.ip_network(cidr) for cidr in outside.get(name, ()))
        assert where.allows(Outsider(str(address)), NATS, port) == named


@given(MODULES)
def test_who_is_no_module_reaches_nats_no_more_than_before(modules: list[ConnectedModule]) -> None:
    where = cluster(hub({"nats": AT}), *modules)
    connected = {
        Pod(m.namespace, m.spec.network.pod_selector.match_labels["app"]) for m in modules if m.spec.network is not None
    }

    for pod in {one for one in EVERYBODY if isinstance(one, Pod)} - {NATS, OPERATOR} - connected:
        assert not any(where.allows(pod, NATS, port) for port in PORTS)


@given(st.permutations([BILLS, module("archive", ARCHIVE), module("a", SHOP, namespace="other")]))
def test_the_same_gives_the_same_in_whatever_order_it_is_told(modules: list[ConnectedModule]) -> None:
    again = sorted(modules, key=lambda one: one.name)

    assert planned(hub(), *modules).policies == planned(hub(), *again).policies
