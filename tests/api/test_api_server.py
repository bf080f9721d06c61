"""A real API server takes the CRDs as they are, and refuses what they refuse with a message that helps."""

import json
import re
from typing import Any

import pytest
from api.objects import ACCEPTED, REFUSED, REFUSED_BY_LIMITS, Refused, device, hub
from kubernetes.client import ApiException

from iotsec.api.crd import KINDS, Kind, crd
from iotsec.api.device import parse_device
from iotsec.api.hub import parse_hub

Json = dict[str, Any]
BY_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")


def refusal(error: ApiException) -> Json:
    assert error.status == 422, error.body
    answer: Json = json.loads(error.body)
    return answer


def causes(error: ApiException) -> dict[str, str]:
    """The messages of a refusal, by the field each blames."""
    found: dict[str, str] = {}
    for cause in refusal(error)["details"]["causes"]:
        field = re.sub(r"\[([a-z]+)\]", r".\1", cause["field"])  # rules say labels[a] where patterns say labels.a
        found[field] = f"{found.get(field, '')} {cause['message']}"
    return found


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


def test_a_new_object_counts_as_in_progress(kinds: Any, namespace: str) -> None:
    for obj in (hub(), device()):
        assert kinds.create(obj, namespace)["status"] == {"observedGeneration": -1}
    (found,) = kinds.find("devices", namespace)["items"]
    assert found["status"] == {"observedGeneration": -1}
    assert parse_device(found).status.observed_generation == -1


def test_a_status_sent_with_a_new_object_is_not_believed(kinds: Any, namespace: str) -> None:
    created = kinds.create(device() | {"status": {"observedGeneration": 1, "revision": 7}}, namespace)
    assert created["status"] == {"observedGeneration": -1}


def test_a_spec_reads_back_as_written(kinds: Any, namespace: str) -> None:
    for obj in (hub(), device(), ACCEPTED["a hub with every field"]):
        created = kinds.create(obj | {"metadata": {"name": f"n-{len(str(obj))}"}}, namespace)
        assert created["spec"] == obj["spec"]
        assert (parse_hub if obj["kind"] == "Hub" else parse_device)(created).spec


@pytest.mark.parametrize("obj", [hub(tls={}), device(certificate={})], ids=["hub", "device"])
def test_a_field_of_no_meaning_is_refused_by_name(kinds: Any, obj: Json) -> None:
    with pytest.raises(ApiException) as caught:
        kinds.create(obj, "default", dry_run="All")
    assert caught.value.status == 400
    assert 'unknown field "spec.' in json.loads(caught.value.body)["message"]


def test_a_device_stays_in_its_hub(kinds: Any, namespace: str) -> None:
    kinds.create(device(), namespace)
    for ref in ({"name": "lab"}, {"name": "plant", "namespace": "lab"}):
        with pytest.raises(ApiException) as caught:
            kinds.merge("devices", namespace, "weather-01", {"spec": {"hubRef": ref}})
        assert "delete it and create it anew to move it to another Hub" in causes(caught.value)["spec.hubRef"]
    assert kinds.merge("devices", namespace, "weather-01", {"spec": {"suspended": True}})["spec"]["suspended"] is True


SEED = "SU" + "A" * 56
PASSWORD = "hunter2"  # noqa: S105 -- nobody's


@pytest.mark.parametrize(
    ("obj", "secret"),
    [(device(publicKey=SEED), SEED), (hub(nats={"servers": [f"nats://u:{PASSWORD}@nats"]}), PASSWORD)],
    ids=["a seed as public key", "a password in a URL"],
)
def test_a_secret_in_the_wrong_place_is_not_printed_back(kinds: Any, obj: Json, secret: str) -> None:
    with pytest.raises(ApiException) as caught:
        kinds.create(obj, "default", dry_run="All")
    assert refusal(caught.value)["reason"] == "Invalid"
    assert secret not in str(caught.value)


def test_devices_are_selected_by_their_hub(kinds: Any, namespace: str) -> None:
    kinds.create(device("a"), namespace)
    kinds.create(device("b", hubRef={"name": "lab"}), namespace)
    found = kinds.find("devices", namespace, field_selector="spec.hubRef.name=lab")
    assert [item["metadata"]["name"] for item in found["items"]] == ["b"]


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
READY = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": "2030-01-31T12:00:00Z",
    "reason": "Issued",
    "message": "The credentials work until 2999",
}


def test_a_table_shows_whether_a_device_is_ready_and_until_when(kinds: Any, namespace: str) -> None:
    created = kinds.create(device(), namespace)
    created["status"] = {
        "observedGeneration": 1,
        "conditions": [READY],
        "deviceId": "weather-01",
        "account": "iot",
        "publicKey": "U" + "A" * 55,
        "role": "device",
        "secretName": "weather-01-device-creds",
        "issuedAt": "2030-01-31T12:00:00Z",
        "expiresAt": "2999-03-02T12:00:00Z",
        "renewalTime": "2999-02-20T12:00:00Z",
        "revision": 3,
    }
    assert kinds.write_status(created) == created["status"]
    assert table(kinds.find("devices", namespace, accept=TABLE)) == {
        "Name": "weather-01",
        "Ready": "True",
        "Expires": "2999-03-02T12:00:00Z",
        "Secret": "weather-01-device-creds",
        "Age": "0s",
        "Role": "device",
        "Message": "The credentials work until 2999",
    }


def test_a_table_shows_what_to_mount_for_a_hub(kinds: Any, namespace: str) -> None:
    created = kinds.create(hub(), namespace)
    created["status"] = {
        "observedGeneration": 1,
        "conditions": [READY],
        "operatorPublicKey": "O" + "A" * 55,
        "systemAccountPublicKey": "A" * 56,
        "configSecretName": "plant-nats-config",
        "accounts": [
            {
                "name": "iot",
                "publicKey": "A" * 56,
                "revocations": 2,
                "issuedAt": "2030-01-31T12:00:00Z",
                "distributed": "3/3",
            }
        ],
        "servers": [{"name": "nats-0", "version": "2.15.1", "accountsCurrent": True}],
    }
    assert kinds.write_status(created) == created["status"]
    assert table(kinds.find("hubs", namespace, accept=TABLE)) == {
        "Name": "plant",
        "Ready": "True",
        "Config": "plant-nats-config",
        "Age": "0s",
        "Operator": "O" + "A" * 55,
        "Message": "The credentials work until 2999",
    }


def table(shown: Json) -> Json:
    """The only row of what ``kubectl get -o wide`` prints; an age of seconds is 0s."""
    titles = [column["name"] for column in shown["columnDefinitions"]]
    (row,) = shown["rows"]
    cells = dict(zip(titles, row["cells"], strict=True))
    assert cells["Age"].endswith("s")
    return cells | {"Age": "0s"}
