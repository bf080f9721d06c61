"""Objects become values, or an error of one line that says what to write instead."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from api.cases import ACCEPTED, REFUSED, REFUSED_BY_LIMITS
from api.objects import Refused, client, device, hub, module
from api.statuses import STATUSES
from api.tls_policies import policy
from pydantic import ValidationError

from iotsec.api.accounts import Account
from iotsec.api.client import Client
from iotsec.api.device import Device, DeviceStatus
from iotsec.api.hub import Hub, parse_hub
from iotsec.api.identity import Identity
from iotsec.api.model import SpecError
from iotsec.api.module import Module
from iotsec.api.selectors import Namespaces
from iotsec.api.tls_policy import TLSPolicy

IDENTITIES: dict[str, type[Identity]] = {"Device": Device, "Module": Module, "Client": Client}


def parse(obj: dict[str, Any]) -> Hub | Identity | TLSPolicy:
    match obj["kind"]:
        case "Hub":
            return parse_hub(obj)
        case "TLSPolicy":
            return TLSPolicy.parse(obj)
        case kind:
            return IDENTITIES[kind].checked(obj)


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_api_server_accepts_is_parsed(obj: dict[str, Any]) -> None:
    assert parse(obj).metadata.name == obj["metadata"]["name"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.why)
def test_what_the_rules_refuse_is_refused_with_their_message(case: Refused) -> None:
    with pytest.raises(SpecError) as caught:
        parse(case.obj)
    assert caught.value.path.removesuffix("[0]") == case.field.removesuffix("[0]")
    assert case.message in caught.value.message
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{caught.value.path}: ")


NAMES_ARE_FOR_THE_SERVER = [case for case in REFUSED_BY_LIMITS if case.field != "metadata.name"]


@pytest.mark.parametrize("case", NAMES_ARE_FOR_THE_SERVER, ids=lambda case: case.why)
def test_what_the_schema_refuses_is_refused(case: Refused) -> None:
    with pytest.raises(SpecError) as caught:
        parse(case.obj)
    assert case.field.startswith(caught.value.path)


def test_a_list_with_one_wrong_item_has_one_error() -> None:
    with pytest.raises(SpecError) as caught:
        parse_hub(hub(accounts=[{"name": "mir", "limits": {"connections": -1}}]))
    assert caught.value.path == "spec.accounts[0].limits.connections"
    assert "more)" not in str(caught.value)


def test_several_errors_are_one_line_that_counts_them() -> None:
    with pytest.raises(SpecError, match=r"^spec\.[^ ]+: .* \(and 2 more\)$"):
        Device.checked(device(deviceId="a.b", suspended="yes", role="Module"))


def test_a_hub_without_accounts_has_one_for_its_own_namespace() -> None:
    (account,) = parse_hub(hub()).spec.effective_accounts()
    assert account.name == "iot"
    assert account.namespaces.from_ == "Same"


def test_accounts_are_as_written_and_in_order() -> None:
    accounts = parse_hub(hub(accounts=[{"name": "b", "namespaces": {"from": "All"}}, {"name": "a"}])).spec.accounts
    assert accounts == (Account(name="b", namespaces=Namespaces(from_="All")), Account(name="a"))


def test_a_device_has_its_name_for_all_it_does_not_say() -> None:
    smallest = Device.checked(device())
    assert smallest.id == "weather-01"
    assert smallest.spec.role == "device"
    assert smallest.spec.effective_creds_key == "nats.creds"
    assert smallest.spec.permissions is None


def test_a_device_says_what_it_is_called() -> None:
    spelled = Device.checked(device(deviceId="w1", credsKey="mir.creds"))
    assert (spelled.id, spelled.spec.effective_creds_key) == ("w1", "mir.creds")


def test_metadata_and_status_are_read_as_the_api_server_gives_them() -> None:
    obj = device()
    obj["metadata"] |= {
        "uid": "6b7a",
        "generation": 3,
        "resourceVersion": "812",
        "creationTimestamp": "2030-01-31T12:00:00Z",
        "deletionTimestamp": "2030-02-01T12:00:00Z",
        "finalizers": ["iotsec.dev/revoke"],
        "annotations": {"a": "b"},
        "managedFields": [{"manager": "kubectl"}],
    }
    obj["status"] = {
        "observedGeneration": 2,
        "expiresAt": "2030-03-02T12:00:00.5+01:00",
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "observedGeneration": 2,
                "lastTransitionTime": "2030-01-31T12:00:00Z",
                "reason": "Issued",
                "message": "",
            }
        ],
    }
    read = Device.checked(obj)
    assert read.metadata.uid == "6b7a"
    assert read.metadata.generation == 3
    assert read.metadata.resource_version == "812"
    assert read.metadata.creation_timestamp == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert read.metadata.deletion_timestamp == datetime(2030, 2, 1, 12, tzinfo=UTC)
    assert read.metadata.finalizers == ("iotsec.dev/revoke",)
    assert read.metadata.annotations == {"a": "b"}
    assert read.status.expires_at == datetime(2030, 3, 2, 11, 0, 0, 500000, tzinfo=UTC)
    assert read.status.conditions[0].reason == "Issued"


def test_a_new_objects_default_status_is_read() -> None:
    assert parse_hub(hub() | {"status": {"observedGeneration": -1}}).status.observed_generation == -1


def test_a_timestamp_without_a_zone_is_refused() -> None:
    with pytest.raises(SpecError, match=r"status\.expiresAt: a timestamp needs a time zone"):
        Device.checked(device() | {"status": {"expiresAt": "2030-01-31T12:00:00"}})


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_written_back_says_the_same(obj: dict[str, Any]) -> None:
    parsed = parse(obj)
    assert type(parsed).parse(parsed.to_json()) == parsed


@pytest.mark.parametrize("obj", [hub(), device(), module(), client(), policy()], ids=lambda obj: obj["kind"])
def test_a_status_is_read_and_written_as_it_is(obj: dict[str, Any]) -> None:
    status = STATUSES[obj["kind"]]
    assert parse(obj | {"status": status}).status.to_json() == status


def test_times_are_written_as_the_api_writes_them() -> None:
    spec = Device.checked(device(rotation={"jwt": {"duration": "90m"}})).spec
    assert spec.to_json() == {"hubRef": {"name": "plant"}, "rotation": {"jwt": {"duration": "1h30m"}}}
    moment = datetime(2030, 1, 31, 12, 0, 0, 9, tzinfo=timezone(timedelta(hours=1)))
    assert DeviceStatus(expires_at=moment, revision=0).to_json() == {"expiresAt": "2030-01-31T11:00:00Z", "revision": 0}


def test_fields_of_a_newer_release_are_ignored() -> None:
    assert Device.checked(device(attestation={"by": "tpm"})) == Device.checked(device())


def test_the_names_of_the_models_are_no_names_of_the_api() -> None:
    with pytest.raises(SpecError, match=r"^spec\.hubRef: "):
        Device.checked(device() | {"spec": {"hub_ref": {"name": "plant"}}})


def test_values_do_not_change() -> None:
    parsed = Device.checked(device())
    with pytest.raises(ValidationError, match="frozen"):
        parsed.spec.suspended = True  # type: ignore[misc]
