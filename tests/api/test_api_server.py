"""A real API server takes the CRDs as they are, and refuses what they refuse with a message that helps."""

import json
from typing import Any

import pytest
from api.cases import ACCEPTED, REFUSED, REFUSED_BY_LIMITS
from api.certificates import PRIVATE_KEY, REQUEST, certified
from api.objects import Refused, client, device, hub, module
from api.refusals import causes, refusal
from api.tls_policies import policy
from kstatus import kstatus
from kubernetes.client import ApiException

from iotsec.api.crd import KINDS, Kind, crd

Json = dict[str, Any]
MODELS = {kind.name: kind.model for kind in KINDS}
BY_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_crd_reads_back_as_generated(kinds: Any, kind: Kind) -> None:
    answer = kinds.definitions.read_custom_resource_definition(kind.crd_name, _preload_content=False)
    found = json.loads(answer.data)
    conditions = {condition["type"]: condition["status"] for condition in found.pop("status")["conditions"]}
    for field in BY_SERVER:
        found["metadata"].pop(field, None)
    assert found == crd(kind)
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_valid_is_accepted(kinds: Any, obj: Json) -> None:
    assert kinds.create(obj, "default", dry_run="All")["spec"] == obj["spec"]


@pytest.mark.parametrize("case", [*REFUSED, *REFUSED_BY_LIMITS], ids=lambda case: case.why)
def test_what_is_invalid_is_refused_with_its_message(kinds: Any, case: Refused) -> None:
    with pytest.raises(ApiException) as caught:
        kinds.create(case.obj, "default", dry_run="All")
    found = causes(caught.value)
    blamed = [message for field, message in found.items() if field.startswith(case.field)]
    assert blamed, found
    assert case.message in " ".join(blamed)
    assert "no such key" not in str(found)
    assert "evaluat" not in str(found)


@pytest.mark.parametrize("obj", [hub(), device(), module(), client(), policy()], ids=lambda obj: obj["kind"])
def test_a_new_object_counts_as_in_progress(kinds: Any, namespace: str, obj: Json) -> None:
    created = kinds.create(obj, namespace)
    assert created["status"] == {"observedGeneration": -1}
    assert kstatus(created) == "InProgress"
    assert MODELS[obj["kind"]].parse(created).status.observed_generation == -1


def test_a_status_sent_with_a_new_object_is_not_believed(kinds: Any, namespace: str) -> None:
    created = kinds.create(device() | {"status": {"observedGeneration": 1, "revision": 7}}, namespace)
    assert created["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_operator_would_write_is_accepted(kinds: Any, obj: Json) -> None:
    written = MODELS[obj["kind"]].parse(obj).to_json()
    created = kinds.create(written | {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}, "default", dry_run="All")
    assert created["spec"] == written["spec"]


@pytest.mark.parametrize(
    "obj",
    [hub(tls={}), device(attestation={}), module(clientId="a"), policy(issuers=[])],
    ids=lambda obj: obj["kind"],
)
def test_a_field_of_no_meaning_is_refused_by_name(kinds: Any, obj: Json) -> None:
    with pytest.raises(ApiException) as caught:
        kinds.create(obj, "default", dry_run="All")
    assert caught.value.status == 400
    assert 'unknown field "spec.' in json.loads(caught.value.body)["message"]


SEED = "SU" + "A" * 56
PASSWORD = "hunter2"  # noqa: S105 -- nobody's


@pytest.mark.parametrize(
    ("obj", "secret"),
    [
        (device(publicKey=SEED), SEED),
        (hub(nats={"servers": [f"nats://u:{PASSWORD}@nats"]}), PASSWORD),
        (certified(csr=PRIVATE_KEY), "nobodys"),
        (certified(csr=REQUEST + PRIVATE_KEY), "nobodys"),
        (certified(csr=PRIVATE_KEY * 200), "nobodys"),
    ],
    ids=[
        "a seed as public key",
        "a password in a URL",
        "a private key as request",
        "a private key behind a request",
        "private keys too many to be a request",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_printed_back(kinds: Any, obj: Json, secret: str) -> None:
    with pytest.raises(ApiException) as caught:
        kinds.create(obj, "default", dry_run="All")
    assert refusal(caught.value)["reason"] == "Invalid"
    assert secret not in str(caught.value)
