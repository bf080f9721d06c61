"""Whatever a Module selects, pods of NATS and of the operator are none of its own."""

from typing import Any

import pytest
from decide.network_evaluator import Cluster, Pod, meets
from decide.plant import (
    CLIENT,
    ELSEWHERE,
    GATEWAY,
    HERE,
    LABELS,
    METRICS,
    MONITOR,
    MQTT,
    NATS,
    NETWORK,
    OPEN,
    OPERATOR,
    ROUTES,
    STRANGER,
    cluster,
    hub,
    module,
    planned,
)
from hypothesis import given
from hypothesis import strategies as st

from iotsec.api.selectors import LabelRequirement, LabelSelector
from iotsec.decide.admission import selects
from iotsec.decide.network_policies import DEFAULT_DENY, plan_network
from iotsec.decide.sparing import sparing

SELECTORS: list[dict[str, Any]] = [
    {"podSelector": {"matchLabels": {"app": "nats"}}},
    {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "server"}}},
    {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["nats", "stranger"]}]}},
    {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["stranger"]}]}},
    {"podSelector": {}, "allPods": True},
]
SERVER = Pod("nats", "nats", {"app.kubernetes.io/component": "server"})
KEYS, VALUES = st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b", "c"])
DEMANDS = st.one_of(
    st.builds(
        lambda key, operator, values: LabelRequirement(key=key, operator=operator, values=tuple(sorted(values))),
        KEYS,
        st.sampled_from(["In", "NotIn"]),
        st.sets(VALUES, min_size=1),
    ),
    st.builds(
        lambda key, operator: LabelRequirement(key=key, operator=operator),
        KEYS,
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
LABEL_SELECTORS = st.builds(
    lambda labels, demands: LabelSelector(match_labels=labels, match_expressions=tuple(demands)),
    st.dictionaries(KEYS, VALUES, max_size=1),
    st.lists(DEMANDS, max_size=2),
)


@given(LABEL_SELECTORS, st.lists(LABEL_SELECTORS, max_size=2), st.dictionaries(KEYS, VALUES))
def test_what_spares_takes_what_it_took_but_for_the_spared(
    selector: LabelSelector, spared: list[LabelSelector], labels: dict[str, str]
) -> None:
    taken = any(selects(part, labels) for part in sparing(selector, spared))

    assert taken == (selects(selector, labels) and not any(selects(one, labels) for one in spared))


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
