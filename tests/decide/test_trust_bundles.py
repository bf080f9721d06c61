"""Which ConfigMaps with a trust bundle are written, left alone and deleted."""

from typing import Any

import pytest
from api.tls_policies import bundled, policy
from decide.settled_policy import settle
from x509.pki import NOW, root

from iotsec.api.selectors import LabelSelector
from iotsec.decide import names
from iotsec.decide.admission import chosen_namespaces
from iotsec.decide.authorities import first, of_authority
from iotsec.decide.placement import Facts, PlacementPlan, Wanted, Write, facts_of, hash_of, plan_placement
from iotsec.decide.trust_bundles import TRUST_BUNDLES, wanted_bundles

HUB, NAME = "iot/plant", "plant-ca-bundle"
PEM = "-----BEGIN CERTIFICATE-----\n"
WANTED: Wanted = {("a", NAME): {"ca.crt": PEM}, ("b", NAME): {"ca.crt": PEM}}
CAS = first(of_authority(root(), "selfSigned/ECDSA 256"), now=NOW)
LABELS = {"iot": {}, "a": {"team": "x"}, "b": {"team": "y"}}


def planned(wanted: Wanted, *existing: Facts) -> PlacementPlan:
    return plan_placement(TRUST_BUNDLES, HUB, wanted, existing)


def there(namespace: str, *, bundle: str = PEM, key: str = "ca.crt", hub: str = HUB, **changes: Any) -> Facts:
    """A ConfigMap as we wrote it, read back from its metadata, with some of that changed."""
    write = Write(TRUST_BUNDLES, namespace, changes.pop("name", NAME), hub, {key: bundle}, None)
    ours = {"manager": names.FIELD_MANAGER, "fieldsV1": {"f:data": {".": {}, f"f:{key}": {}}}}
    own = {"uid": f"uid-{namespace}", "resourceVersion": "7", "managedFields": [ours]}
    return facts_of(TRUST_BUNDLES, write.to_object()["metadata"] | own | changes)


def test_each_namespace_gets_one_and_what_is_so_already_is_left_alone() -> None:
    plan = planned(WANTED, there("a"))

    assert [(write.place, write.content) for write in plan.writes] == [(("b", NAME), {"ca.crt": PEM})]
    assert (plan.deletions, plan.conflicts) == ((), {})


def test_another_bundle_is_written_over_the_former_one() -> None:
    former = there("a", bundle="former")

    (write,) = planned(WANTED, former, there("b")).writes

    assert write.replaces == former
    assert write.to_merge_patch(former.uid)["metadata"]["annotations"][names.CONTENT_HASH] == hash_of({"ca.crt": PEM})


def test_another_key_takes_the_former_one_along() -> None:
    former = there("a", key="root.pem")

    (write,) = planned(WANTED, former, there("b")).writes

    assert write.to_merge_patch(former.uid, former.entries)["data"] == {"root.pem": None, "ca.crt": PEM}


@pytest.mark.parametrize(
    "managed",
    [
        [{"manager": "kubectl", "fieldsV1": {"f:data": {"f:ca.crt": {}}}}],
        [{"manager": names.FIELD_MANAGER, "fieldsV1": {"f:metadata": {}}}],
        [
            {"manager": names.FIELD_MANAGER, "fieldsV1": {"f:data": {"f:ca.crt": {}}}},
            {"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{names.CONTENT_HASH}": {}}}}},
        ],
    ],
    ids=["the bundle", "the bundle, taken out", "our note of it"],
)
def test_what_somebody_else_wrote_is_written_again(managed: list[Any]) -> None:
    touched = there("a", managedFields=managed)

    (write,) = planned(WANTED, touched, there("b")).writes

    assert (touched.suspect, write.replaces) == (True, touched)


def test_what_others_add_is_theirs() -> None:
    ours = {"manager": names.FIELD_MANAGER, "fieldsV1": {"f:data": {"f:ca.crt": {}}}}
    theirs = {"manager": "kubectl", "fieldsV1": {"f:data": {"f:notes": {}}, "f:metadata": {"f:labels": {"f:team": {}}}}}

    assert planned(WANTED, there("a", managedFields=[ours, theirs]), there("b")).writes == ()


def test_what_is_no_longer_wanted_goes() -> None:
    elsewhere, renamed = there("c"), there("a", name="other")

    plan = planned(WANTED, there("a"), there("b"), elsewhere, renamed)

    assert plan.deletions == (elsewhere, renamed)
    assert plan.writes == ()


def test_a_hub_that_wants_none_keeps_none_and_touches_no_other_hubs() -> None:
    other = there("a", hub="lab/plant")

    assert planned({}, there("b"), other).deletions == (there("b"),)


def test_who_came_first_keeps_the_name() -> None:
    plan = planned(WANTED, there("a", hub="lab/plant"), there("b"))

    ((place, why),) = plan.conflicts.items()
    assert place == ("a", NAME)
    assert why.startswith("ConfigMap a/plant-ca-bundle is that of Hub lab/plant: set another")
    assert (plan.writes, plan.deletions) == ((), ())


def test_one_that_is_going_is_waited_for() -> None:
    going = there("a", deletionTimestamp="2030-01-31T12:00:00Z")

    assert planned(WANTED, going, there("b")).writes == ()
    assert planned({}, going).deletions == ()


@pytest.mark.parametrize(
    ("where", "meant"), [("Same", {"iot"}), ("All", {"iot", "a", "b"}), ("Selector", {"a"})], ids=str
)
def test_namespaces_are_meant_as_an_account_means_them(where: str, meant: set[str]) -> None:
    selector = LabelSelector(match_labels={"team": "x"}) if where == "Selector" else None

    assert chosen_namespaces(where, selector, hub_namespace="iot", labels=LABELS) == meant


def test_the_hubs_namespace_is_meant_only_while_it_is_there() -> None:
    assert chosen_namespaces("Same", None, hub_namespace="gone", labels=LABELS) == frozenset()


def test_what_a_policy_asks_for_is_wanted_once_there_is_a_ca() -> None:
    asked = settle(bundled(namespaces={"from": "All"}))

    assert wanted_bundles(asked, CAS, "plant", namespace="iot", labels=LABELS) == {
        (namespace, NAME): {"ca.crt": CAS.bundle.decode()} for namespace in LABELS
    }
    assert wanted_bundles(asked, None, "plant", namespace="iot", labels=LABELS) == {}


def test_without_a_policy_or_where_it_asks_for_none_none_is_wanted() -> None:
    assert wanted_bundles(None, CAS, "plant", namespace="iot", labels=LABELS) == {}
    assert wanted_bundles(settle(policy()), CAS, "plant", namespace="iot", labels=LABELS) == {}
