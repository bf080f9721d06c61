"""Objects as they are changed, merged and found again on a real API server."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from api.encryption import encrypted
from api.identities import TRUST
from api.objects import Json, client, device, hub, module
from api.refusals import causes
from api.statuses import STATUSES
from api.tls_policies import policy
from kubernetes.client import ApiException

from iotsec.api.crd import KINDS

IDENTITIES = {"devices": device, "modules": module, "clients": client}
each_identity = pytest.mark.parametrize("plural", IDENTITIES)


@each_identity
def test_an_identity_stays_in_its_hub(kinds: Any, namespace: str, plural: str) -> None:
    kinds.create(IDENTITIES[plural]("a"), namespace)
    for ref in ({"name": "lab"}, {"name": "plant", "namespace": "lab"}):
        with pytest.raises(ApiException) as caught:
            kinds.merge(plural, namespace, "a", {"spec": {"hubRef": ref}})
        assert "delete it and create it anew to move it to another Hub" in causes(caught.value)["spec.hubRef"]
    assert kinds.merge(plural, namespace, "a", {"spec": {"suspended": True}})["spec"]["suspended"] is True


@each_identity
def test_identities_are_selected_by_their_hub(kinds: Any, namespace: str, plural: str) -> None:
    kinds.create(IDENTITIES[plural]("a"), namespace)
    kinds.create(IDENTITIES[plural]("b", hubRef={"name": "lab"}), namespace)
    found = kinds.find(plural, namespace, field_selector="spec.hubRef.name=lab")
    assert [item["metadata"]["name"] for item in found["items"]] == ["b"]


@pytest.mark.parametrize("obj", [hub(), device(), module(), client(), policy()], ids=lambda obj: obj["kind"])
def test_a_status_reads_back_as_written(kinds: Any, namespace: str, obj: Json) -> None:
    written = kinds.create(obj, namespace) | {"status": STATUSES[obj["kind"]]}
    assert kinds.write_status(written) == written["status"]


def test_a_policy_stays_with_its_hub(kinds: Any, namespace: str) -> None:
    kinds.create(policy(), namespace)
    with pytest.raises(ApiException) as caught:
        kinds.merge("tlspolicies", namespace, "plant", {"spec": {"hubRef": {"name": "lab"}}})
    assert "delete it and create another for another Hub" in causes(caught.value)["spec.hubRef"]
    assert kinds.merge("tlspolicies", namespace, "plant", {"spec": {"mode": "Mutual"}})["spec"]["mode"] == "Mutual"


def test_policies_are_selected_by_their_hub(kinds: Any, namespace: str) -> None:
    kinds.create(policy("a"), namespace)
    kinds.create(policy("b", hubRef={"name": "lab"}), namespace)
    found = kinds.find("tlspolicies", namespace, field_selector="spec.hubRef.name=lab")
    assert [item["metadata"]["name"] for item in found["items"]] == ["b"]


def test_one_issuer_takes_the_place_of_another_in_one_merge(kinds: Any, namespace: str) -> None:
    kinds.create(policy(issuer={"selfSigned": {}}), namespace)
    issuer = {"selfSigned": None, "ca": {"secretName": "ours"}}
    changed = kinds.merge("tlspolicies", namespace, "plant", {"spec": {"issuer": issuer}})
    assert changed["spec"]["issuer"] == {"ca": {"secretName": "ours"}}


def test_what_was_encrypted_stays_encrypted(kinds: Any, namespace: str) -> None:
    kinds.create(encrypted(cipher="AES"), namespace)
    with pytest.raises(ApiException) as caught:
        kinds.merge("hubs", namespace, "plant", {"spec": {"nats": {"encryptionAtRest": None}}})
    assert "cannot be read without its key" in causes(caught.value)["spec.nats.encryptionAtRest"]


def test_a_hub_keeps_the_trust_root_it_made(kinds: Any, namespace: str) -> None:
    kinds.create(hub(), namespace)
    with pytest.raises(ApiException) as caught:
        kinds.merge("hubs", namespace, "plant", {"spec": {"trust": TRUST}})
    assert "a Hub keeps its trust root" in causes(caught.value)["spec.trust"]
    assert kinds.merge("hubs", namespace, "plant", {"spec": {"trust": {}}})["spec"]["trust"] == {}


def test_a_hub_keeps_the_trust_root_it_adopted(kinds: Any, namespace: str) -> None:
    kinds.create(hub(trust=TRUST), namespace)
    other = {"existing": {"systemCredentialsSecretRef": {"name": "other"}}}
    for trust in (None, {"existing": None}, other):
        with pytest.raises(ApiException) as caught:
            kinds.merge("hubs", namespace, "plant", {"spec": {"trust": trust}})
        assert "a Hub keeps its trust root" in causes(caught.value)["spec.trust"]
    assert kinds.merge("hubs", namespace, "plant", {"spec": {"inbox": "Shared"}})["spec"]["trust"] == TRUST


def test_roles_and_accounts_may_belong_to_several_people(kinds: Any, namespace: str) -> None:
    pump = {"name": "pump", "publish": {"allow": ["pump.{id}"]}}
    valve = {"name": "valve", "subscribe": {"allow": ["valve.{id}"]}}
    kinds.apply(hub(roles=[pump], accounts=[{"name": "mir", "description": "Ada's"}]), namespace, manager="ada")
    theirs: Json = hub(roles=[valve], accounts=[{"name": "mir", "limits": {"connections": 5}}, {"name": "lab"}])
    merged = kinds.apply(theirs, namespace, manager="grace")["spec"]
    assert merged["roles"] == [pump, valve]
    assert merged["accounts"] == [
        {"name": "mir", "description": "Ada's", "limits": {"connections": 5}},
        {"name": "lab"},
    ]
    assert kinds.apply(hub(roles=[pump]), namespace, manager="grace")["spec"]["roles"] == [pump]


def test_one_persons_selector_is_never_mixed_with_anothers(kinds: Any, namespace: str) -> None:
    def open_to(**labels: str) -> Json:
        namespaces = {"from": "Selector", "selector": {"matchLabels": labels}}
        return hub(accounts=[{"name": "mir", "namespaces": namespaces}])

    kinds.apply(open_to(team="a"), namespace, manager="ada")
    with pytest.raises(ApiException, match="conflict"):
        kinds.apply(open_to(stage="live"), namespace, manager="grace")
    merged = kinds.apply(open_to(stage="live"), namespace, manager="grace", force=True)["spec"]["accounts"]
    assert merged[0]["namespaces"]["selector"] == {"matchLabels": {"stage": "live"}}


def test_the_fuller_example_applies_as_it_stands(kinds: Any, namespace: str) -> None:
    models = {kind.name: kind.model for kind in KINDS}
    documents = list(yaml.safe_load_all(Path(__file__).with_name("fuller.yaml").read_text(encoding="utf-8")))
    for obj in documents:
        applied = kinds.apply(obj, namespace, manager="ada")
        assert applied["spec"] == obj["spec"]
        assert models[obj["kind"]].parse(applied).to_json()["spec"]["hubRef" if obj["kind"] != "Hub" else "nats"]
    assert {obj["kind"] for obj in documents} == models.keys()


def test_a_hub_of_many_roles_and_accounts_fits_the_cost_that_rules_may_have(kinds: Any) -> None:
    def subjects(word: str) -> Json:
        return {"allow": [f"{word}.building-{i:02}.{{id}}.measurements.>" for i in range(64)]}

    roles = [{"name": f"role-{i}", "publish": subjects("up"), "subscribe": subjects("down")} for i in range(32)]
    exports = [
        {"name": f"e{i}", "type": "Service", "subject": f"service.number-{i}.>", "accounts": [f"account-{i % 32}"]}
        for i in range(64)
    ]
    imports = [
        {"name": f"i{i}", "account": f"account-{i % 8 + 16}", "type": "Service", "subject": f"service.number-{i}.a"}
        for i in range(64)
    ]
    accounts = [
        {"name": f"account-{i}", "roles": [role["name"] for role in roles]}
        | ({"imports": imports} if i < 16 else {"exports": exports})
        for i in range(32)
    ]
    created = kinds.create(hub(roles=roles, accounts=accounts), "default", dry_run="All")
    assert len(created["spec"]["accounts"]) == 32
