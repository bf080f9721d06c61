"""Whatever is declared: what no NetworkPolicy of a Hub may open, and what none may close."""

import ipaddress

from decide.network_evaluator import Outsider, Pod
from decide.plant import (
    ARCHIVE,
    AT,
    BILLING,
    BILLS,
    CLIENT,
    DATABASE,
    EVERYBODY,
    GATEWAY,
    LEAFNODES,
    METRICS,
    MONITOR,
    MQTT,
    NATS,
    NETWORK,
    OPEN,
    OPERATOR,
    PORTS,
    PROMETHEUS,
    ROUTES,
    SHOP,
    WEBSOCKET,
    cluster,
    hub,
    module,
    planned,
)
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.network_policies import ConnectedModule

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
