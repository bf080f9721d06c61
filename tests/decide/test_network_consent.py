"""A Hub closes and opens nothing in a namespace that does not let it."""

import pytest
from decide.plant import AT, EVERYWHERE, HERE, LABELS, NETWORK, closed_by, hub, planned

from iotsec.api.hub import HubSpec
from iotsec.api.selectors import LabelSelector
from iotsec.decide.network_consent import pods_of_nats
from iotsec.decide.network_policies import DEFAULT_DENY, plan_network


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


def test_an_operator_of_some_namespaces_closes_the_hubs_own() -> None:
    network = {"nats": AT, "defaultDeny": {"from": "Same"}}

    plan = plan_network("iot", "plant", hub(network), [], operator=HERE, labels={"iot": None, "nats": None})

    assert (closed_by(plan), plan.cautions) == ({"iot"}, ())


def test_the_pods_of_nats_are_those_of_each_hub_that_says_so() -> None:
    silent = HubSpec.parse({"nats": {"servers": ["nats://nats"]}})
    beside_it = {"podSelector": AT["podSelector"]}

    found = pods_of_nats([("iot", silent), ("office", hub({"nats": beside_it}))], LABELS | {"office": {}})

    assert found == (("office", LabelSelector(match_labels={"app": "nats"})),)
