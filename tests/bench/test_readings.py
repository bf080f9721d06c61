"""What is read from logs, and how a figure is printed."""

import json
from typing import Any

import pytest

from bench.audit import Write, writes_in
from bench.crowd import is_of_identity
from bench.device_watch import is_ready
from bench.figures import Figure, at_least, at_most
from bench.operator_log import lines_of
from bench.template import Template

RECEIVED = "2026-01-02T03:04:05.250000Z"


def request(verb: str, resource: str, agent: str = "iotsec/1", stage: str = "ResponseComplete", **more: Any) -> bytes:
    target = {"resource": resource, **more}
    event = {"stage": stage, "verb": verb, "userAgent": agent, "objectRef": target}
    return json.dumps({**event, "requestReceivedTimestamp": RECEIVED}).encode() + b"\n"


def test_only_finished_writes_of_the_program_count() -> None:
    log = b"".join(
        [
            request("create", "secrets"),
            request("patch", "devices", subresource="status"),
            request("patch", "devices", subresource="status"),
            request("get", "secrets"),
            request("watch", "devices", stage="ResponseStarted"),
            request("create", "secrets", agent="bench/1"),
            request("create", "secrets", agent="other (like iotsec/1)"),
        ]
    )
    found = [write.what for write in writes_in(log, "iotsec/")]
    assert found == ["create secrets", "patch devices/status", "patch devices/status"]


def test_a_half_written_last_line_waits_for_its_end() -> None:
    log = request("create", "secrets") + request("delete", "secrets")[:-9]
    assert [write.verb for write in writes_in(log, "iotsec/")] == ["create"]


def test_a_write_tells_which_object_it_is_about_and_when_the_api_server_received_it() -> None:
    (write,) = writes_in(request("patch", "devices", subresource="status", name="weather-01"), "iotsec/")
    assert write == Write("patch", "devices/status", "weather-01", 1767323045.25)


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("devices", "device-00001"),
        ("devices/status", "device-00001"),
        ("secrets", "device-00001-device-creds"),
        ("secrets", ""),
    ],
)
def test_writes_of_devices_and_of_secrets_are_identities_unless_known_to_be_the_hubs(resource: str, name: str) -> None:
    assert is_of_identity(Write("patch", resource, name, 0.0))


@pytest.mark.parametrize(
    ("resource", "name"), [("secrets", "plant-ledger-iot"), ("hubs/status", "plant"), ("events", "")]
)
def test_writes_of_the_hub_are_no_identitys(resource: str, name: str) -> None:
    assert not is_of_identity(Write("patch", resource, name, 0.0))


def test_a_log_is_searched_by_event() -> None:
    log = b'{"event": "started", "n": 1}\nTraceback: started\n{"event": "stopped", "why": "started"}\n'
    assert list(lines_of(log, "started")) == [{"event": "started", "n": 1}]


def test_a_figure_is_one_line_of_json_with_its_goal() -> None:
    figure = Figure("onboard.ratio", 0.61239, "ratio", 1000, at_least(0.6), {"runs": [1.00049, 2.0]})
    assert json.loads(figure.line()) == {
        "name": "onboard.ratio",
        "value": 0.612,
        "unit": "ratio",
        "devices": 1000,
        "goal": {"at least": 0.6, "met": True},
        "baseline": {"runs": [1.0, 2.0]},
    }


def test_a_goal_is_met_on_its_side_of_the_bound() -> None:
    assert at_most(2).is_met(2)
    assert not at_most(2).is_met(2.1)
    assert at_least(0.6).is_met(0.6)
    assert not at_least(0.6).is_met(0.59)


def test_a_device_is_ready_only_for_its_latest_spec() -> None:
    conditions = [{"type": "Ready", "status": "True"}]
    device = {"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": conditions}}
    assert not is_ready(device)
    device["status"]["observedGeneration"] = 2
    assert is_ready(device)
    assert not is_ready({"metadata": {"generation": 1}})


def test_a_template_gives_each_device_secrets_of_one_shape() -> None:
    def secret(name: str, owner: str) -> dict[str, Any]:
        return {
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": "first",
                "uid": "a",
                "resourceVersion": "1",
                "managedFields": [{}],
                "labels": {"l": "1"},
                "ownerReferences": [{"kind": "Device", "name": "device-00000", "uid": owner}],
            },
            "data": {"user.jwt": "eA=="},
        }

    everything = [secret("device-00000-creds", "b"), secret("plant-ca", "h"), secret("device-00000-tls", "b")]
    device = {"metadata": {"name": "device-00000", "uid": "b"}, "status": {"observedGeneration": 1}}
    template = Template.of(everything, device)
    first, second = Template.read(template.to_json()).secrets_for("second", "device-00007", "c")
    assert second["metadata"]["name"] == "device-00007-tls"
    assert first == {
        "kind": "Secret",
        "metadata": {
            "name": "device-00007-creds",
            "namespace": "second",
            "labels": {"l": "1"},
            "ownerReferences": [{"kind": "Device", "name": "device-00007", "uid": "c"}],
        },
        "data": {"user.jwt": "eA=="},
    }
