"""Which namespaces may use an account."""

from typing import Any

import pytest

from iotsec.api.accounts import Account
from iotsec.decide.admission import admits, by_unknown_labels, matching_nothing


def account(name: str = "mir", **namespaces: Any) -> Account:
    return Account.parse({"name": name, "namespaces": namespaces} if namespaces else {"name": name})


def by(**selector: Any) -> Account:
    return account(**{"from": "Selector", "selector": selector})


def demanding(operator: str, *values: str) -> Account:
    return by(matchExpressions=[{"key": "stage", "operator": operator} | ({"values": values} if values else {})])


def lets_in(tried: Account, labels: dict[str, str], namespace: str = "plant-7") -> bool:
    return admits(tried, namespace, hub_namespace="iot", labels=labels)


def test_an_account_is_for_the_hubs_own_namespace_unless_it_says_otherwise() -> None:
    assert lets_in(account(), {}, namespace="iot")
    assert not lets_in(account(), {"stage": "live"})


def test_an_account_for_all_is_for_every_namespace() -> None:
    assert lets_in(account(**{"from": "All"}), {})


def test_a_selector_decides_alone_even_over_the_hubs_own_namespace() -> None:
    tried = by(matchLabels={"stage": "live"})

    assert lets_in(tried, {"stage": "live", "other": "x"})
    assert not lets_in(tried, {"stage": "test"})
    assert not lets_in(tried, {}, namespace="iot")


def test_an_empty_selector_takes_every_namespace() -> None:
    assert lets_in(by(), {})


@pytest.mark.parametrize(
    ("tried", "live", "test", "none"),
    [
        (demanding("In", "live", "trial"), True, False, False),
        (demanding("NotIn", "live", "trial"), False, True, True),
        (demanding("Exists"), True, True, False),
        (demanding("DoesNotExist"), False, False, True),
    ],
)
def test_demands_on_labels_mean_what_they_mean_to_kubernetes(
    tried: Account, *, live: bool, test: bool, none: bool
) -> None:
    assert [lets_in(tried, {"stage": "live"}), lets_in(tried, {"stage": "test"}), lets_in(tried, {})] == [
        live,
        test,
        none,
    ]


def test_all_demands_must_be_met() -> None:
    tried = by(matchLabels={"team": "a"}, matchExpressions=[{"key": "stage", "operator": "Exists"}])

    assert lets_in(tried, {"team": "a", "stage": "live"})
    assert not lets_in(tried, {"team": "a"})
    assert not lets_in(tried, {"stage": "live"})


def test_labels_that_nobody_may_look_at_admit_nobody() -> None:
    live, not_test = by(matchLabels={"stage": "live"}), demanding("NotIn", "test")

    assert not admits(live, "plant-7", hub_namespace="iot", labels=None)
    assert not admits(not_test, "plant-7", hub_namespace="iot", labels=None)
    assert not admits(not_test, "iot", hub_namespace="iot", labels=None)
    assert by_unknown_labels((live, account("own")), None) == ("mir",)
    assert by_unknown_labels((live, account("own")), {}) == ()
    assert matching_nothing((not_test,), {"iot": None}) == ("mir",)


def test_who_asks_for_no_labels_is_admitted_without_a_look_at_them() -> None:
    assert admits(account(), "iot", hub_namespace="iot", labels=None)
    assert admits(account("all", **{"from": "All"}), "plant-7", hub_namespace="iot", labels=None)


def test_a_selector_that_takes_no_namespace_is_found() -> None:
    accounts = (account("own"), by(matchLabels={"team": "a"}), account("all", **{"from": "All"}))

    assert matching_nothing(accounts, {"iot": {}, "plant-7": {"team": "b"}}) == ("mir",)
    assert matching_nothing(accounts, {"iot": {}, "plant-7": {"team": "a"}}) == ()
