"""Who reaches whom, by the NetworkPolicies of a Hub and its Modules."""

from typing import Any

import pytest
from decide.network_evaluator import Cluster, Outsider, Pod
from decide.plant import (
    ARCHIVE,
    AT,
    BILLING,
    BILLS,
    CLIENT,
    DATABASE,
    DEVICE,
    DNS,
    ELSEWHERE,
    EVERYBODY,
    GATEWAY,
    LABELS,
    LEAFNODES,
    METRICS,
    MONITOR,
    MQTT,
    NATS,
    NETWORK,
    OPERATOR,
    PORTS,
    PROMETHEUS,
    ROUTES,
    SHOP,
    STRANGER,
    WEBSOCKET,
    cluster,
    hub,
    module,
    planned,
    reached_by,
)

from iotsec.api.hub import HubSpec
from iotsec.api.module import ModuleSpec
from iotsec.decide.network_policies import ConnectedModule, NetworkPlan, OperatorPods
from iotsec.decide.placement import Place


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


def test_names_are_asked_for_at_the_ports_that_the_hub_names_and_no_others() -> None:
    where = cluster(hub(NETWORK | {"dns": {"ports": [5353]}}), BILLS)

    assert all(where.allows(BILLING, DNS, 5353, protocol) for protocol in ("UDP", "TCP"))
    assert not any(where.allows(BILLING, DNS, 53, protocol) for protocol in ("UDP", "TCP"))


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


def test_a_listener_for_servers_that_is_open_to_everybody_is_told_of() -> None:
    halves = ["0.0.0.0/1", "128.0.0.0/1"]
    outside = [{"listener": name, "cidrs": halves} for name in ("client", "mqtt", "gateway", "leafnodes")]

    plan = planned(hub(NETWORK | {"outside": outside}))

    assert [told.split(",")[0] for told in plan.cautions] == ["the gateway listener", "the leafnodes listener"]


def test_an_operator_that_runs_elsewhere_says_that_it_must_be_let_in() -> None:
    (told,) = planned(hub(), operator=None).cautions

    assert "its address must be in spec.network.outside" in told


def test_a_module_reaches_the_addresses_and_ports_it_declares_without_those_excepted() -> None:
    block = {"cidr": "203.0.113.9/24", "except": ["203.0.113.128/25"]}  # with bits of a host, which API servers refuse
    rule = {"to": [{"ipBlock": block}], "ports": [{"port": 8000, "endPort": 8010}, {"port": 443}]}

    where = cluster(hub(), module("billing", BILLING, network={"egress": [rule]}))

    reached = {
        (address, port)
        for address in ("203.0.113.9", "203.0.113.200", "198.51.100.1")
        for port in (443, 444, 7999, 8000, 8010, 8011)
        if where.allows(BILLING, Outsider(address), port)
    }
    assert reached == {("203.0.113.9", port) for port in (443, 8000, 8010)}


def test_a_rule_without_ports_is_for_every_one() -> None:
    where = cluster(
        hub(), module("billing", BILLING, network={"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]})
    )

    assert all(where.allows(BILLING, Outsider("10.1.2.3"), port) for port in PORTS)
    assert not where.allows(BILLING, ELSEWHERE, 22)


def test_the_policy_of_a_suspended_module_leads_to_no_port_of_nats() -> None:
    plan = planned(hub(), module("billing", BILLING, suspended=True))

    alone = Cluster(
        {place: spec for place, spec in plan.policies.items() if place == ("apps", "billing-module")}, LABELS
    )

    assert len(alone.policies) == 1
    assert not any(alone.allows(BILLING, NATS, port) for port in PORTS)


def test_nats_reaches_the_operator_where_it_answers_about_certificates_and_nowhere_else() -> None:
    silent, answering = (planned(hub(), operator=OperatorPods("operator", port)) for port in (None, 9443))

    reached = [
        [p for p in (443, 9443) if Cluster(one.policies, LABELS).allows(NATS, OPERATOR, p)]
        for one in (silent, answering)
    ]

    assert reached == [[], [9443]]


def test_nats_is_beside_its_hub_where_nothing_else_is_said() -> None:
    plan = planned(hub({"nats": {"podSelector": AT["podSelector"]}}))

    assert (plan.policies.keys(), plan.refused) == ({("iot", "plant-nats")}, {})


def test_a_module_that_says_nothing_of_the_network_has_no_policy() -> None:
    silent = ConnectedModule("apps", "billing", ModuleSpec.parse({"hubRef": {"name": "plant"}}))

    assert planned(hub(), silent).policies == planned(hub()).policies


def test_a_module_that_one_selector_cannot_say_has_a_policy_for_each() -> None:
    release = {"release": "plant"}
    servers = {"namespace": "nats", "podSelector": {"matchLabels": {"app": "nats", **release}}}
    everybody = module("ingest", NATS, namespace="nats", network={"podSelector": {}, "allPods": True})

    plan = planned(hub({"nats": servers}), everybody)

    assert plan.policies.keys() == {("nats", "plant-nats"), ("nats", "ingest-module"), ("nats", "ingest-module-2")}
    where = Cluster(plan.policies, LABELS)
    for pod in (Pod("nats", "nats"), Pod("nats", "other", release)):
        assert not where.allows(STRANGER, pod, 80)


UNREAD = ConnectedModule("apps", "billing", None)


@pytest.mark.parametrize(
    ("place", "left"),
    [
        (("apps", "billing-module"), True),
        (("apps", "billing-module-2"), True),
        (("other", "billing-module"), False),
        (("apps", "archive-module"), False),
        (("apps", "billing-module-2-module"), False),
        (("apps", "plant-nats"), False),
    ],
)
def test_the_policies_of_a_module_that_nobody_can_read_are_left_as_they_are(place: Place, *, left: bool) -> None:
    plan = planned(hub(), UNREAD, module("archive", ARCHIVE))

    assert plan.leaves(place) == left


def test_a_module_that_nobody_can_read_is_told_and_opens_nothing() -> None:
    plan = planned(hub(), UNREAD)

    assert plan.cautions == (
        "what Module apps/billing says of the network cannot be read: its NetworkPolicies stay as they are",
    )
    assert plan.policies == planned(hub()).policies


def test_of_many_that_nobody_can_read_some_are_named() -> None:
    plan = planned(hub(), *(ConnectedModule("apps", f"m{number}", None) for number in range(7)))

    assert "apps/m0, apps/m1, apps/m2, apps/m3, apps/m4 and 2 more" in plan.cautions[0]
