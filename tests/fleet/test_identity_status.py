"""What tools that wait for a Device are told, at every moment of its life; and nothing is told without a reason."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.conftest import Site
from kstatus import faults, kstatus

from testbed.clients import connect_as
from testbed.control_plane import ControlPlane
from testbed.operator import SERVICE_ACCOUNT, Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

OPERATOR = f"system:serviceaccount:{SERVICE_ACCOUNT.replace('/', ':')}"
WRITES = {"create", "update", "patch", "delete"}


@contextmanager
def watched(user: User, name: str) -> Iterator[list[Object]]:
    """Every version of a Device, as who watches it sees them."""
    versions: list[Object] = []
    path = f"/apis/iotsec.dev/v1alpha1/namespaces/{user.namespace}/devices?watch=true&timeoutSeconds=120"
    begun = threading.Event()

    def run() -> None:
        for event in user.api.watch(path):
            begun.set()
            seen = event["object"]
            if seen["metadata"]["name"] == name:
                versions.append(seen)
            elif seen["metadata"]["name"] == f"{name}-end":
                return

    thread = threading.Thread(target=run, daemon=True)
    user.apply("Device", f"{name}-begin", {"hubRef": {"name": "none"}})
    thread.start()
    assert begun.wait(10)
    yield versions
    user.apply("Device", f"{name}-end", {"hubRef": {"name": "none"}})
    thread.join(20)
    assert not thread.is_alive()


def phases(versions: list[Object]) -> list[str]:
    """What kstatus made of an object over time, repetitions left out."""
    found: list[str] = []
    for version in versions:
        if (phase := kstatus(version)) not in found[-1:]:
            found.append(phase)
    return found


def operator_writes(plane: ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """Every write of the operator to a namespace, from the API server's audit log."""
    lines = (json.loads(line) for line in Path(plane.audit_log).read_text().splitlines())
    return [
        {"verb": line["verb"], **line["objectRef"]}
        for line in lines
        if line["user"]["username"] == OPERATOR
        and line["verb"] in WRITES
        and line["objectRef"].get("namespace") == namespace
    ]


async def test_whoever_waits_for_a_device_sees_it_under_way_and_then_done_and_nothing_else(plant: Site) -> None:
    with watched(plant.user, "awaited") as versions:
        plant.user.apply_device("awaited")
        plant.user.wait_ready("Device", "awaited")
        async with connect_as(plant.url, plant.user.creds("awaited")) as device:
            plant.user.apply_device("awaited", role="device-any")
            await device.wait_closed()
        plant.user.wait_ready("Device", "awaited")
        plant.user.apply_device("awaited", role="device-any", suspended=True)
        plant.user.wait_reason("Device", "awaited", "Suspended")
        plant.user.apply_device("awaited", role="device-any")
        plant.user.wait_ready("Device", "awaited")
        plant.user.delete("Device", "awaited")
        plant.user.wait_gone("Device", "awaited")

    assert phases(versions) == ["InProgress", "Current"] * 3 + ["Terminating"]
    assert kstatus(versions[0]) == "InProgress", "from the very first moment"
    assert [fault for v in versions if v["status"].get("conditions") for fault in faults(v)] == []


def test_a_device_that_waits_is_under_way_and_one_that_needs_help_has_failed(plant: Site) -> None:
    plant.user.apply_device("no-hub", hub="missing")
    plant.user.apply_device("no-account", account="missing")

    waiting = plant.user.wait_reason("Device", "no-hub", "HubNotFound")
    stuck = plant.user.wait_reason("Device", "no-account", "AccountUnknown")

    assert (kstatus(waiting), faults(waiting)) == ("InProgress", [])
    assert (kstatus(stuck), faults(stuck)) == ("Failed", [])
    assert "'missing'" in condition_of(stuck, "Stalled")["message"]
    assert "iot" in condition_of(stuck, "Stalled")["message"]


def test_a_suspended_device_is_neither_done_nor_stuck(plant: Site) -> None:
    plant.user.apply_device("suspended", suspended=True)

    device = plant.user.wait_reason("Device", "suspended", "Suspended")

    assert (kstatus(device), faults(device)) == ("InProgress", [])
    assert [c["type"] for c in device["status"]["conditions"]] == ["Ready"]


def test_every_condition_and_the_status_tell_of_the_spec_they_are_about(plant: Site) -> None:
    plant.user.apply_device("generations")
    plant.user.wait_ready("Device", "generations")

    plant.user.apply_device("generations", credsKey="mir.creds")
    device = plant.user.wait_ready("Device", "generations")

    generation = device["metadata"]["generation"]
    assert generation == 2
    assert {c["observedGeneration"] for c in device["status"]["conditions"]} == {generation}


def test_facts_are_told_as_they_are(plant: Site) -> None:
    plant.user.apply_device("facts", deviceId="Facts_1")

    status = plant.user.wait_ready("Device", "facts")["status"]

    assert (status["id"], status["account"], status["role"]) == ("Facts_1", "iot", "device")
    assert (status["secretName"], status["revision"]) == ("facts-device-creds", 1)
    assert status["publicKey"].startswith("U")
    assert status["issuedAt"] < status["renewalTime"] < status["expiresAt"]


def test_the_time_of_a_condition_moves_with_its_status_alone(plant: Site) -> None:
    plant.user.apply_device("since")
    first = condition_of(plant.user.wait_ready("Device", "since"), "Ready")["lastTransitionTime"]
    wait_until(lambda: clock(plant.user) > first, what="the next second")

    plant.user.apply_device("since", credsKey="mir.creds")
    device = plant.user.wait_for("Device", "since", lambda d: d["status"].get("observedGeneration") == 2)

    assert condition_of(device, "Ready")["lastTransitionTime"] == first


def clock(user: User) -> str:
    """The API server's time, to the second."""
    review = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"generateName": "clock-"},
        "spec": {},
    }
    path = f"/apis/coordination.k8s.io/v1/namespaces/{user.namespace}/leases?dryRun=All"
    return str(user.api.request("POST", path, review)["metadata"]["creationTimestamp"])


def test_nothing_is_written_while_nothing_changes_not_even_at_a_restart(
    site: Site, plane: ControlPlane, operator: Operator
) -> None:
    names = [f"quiet-{n}" for n in range(5)]
    for name in names:
        site.user.apply_device(name)
    for name in names:
        site.user.wait_ready("Device", name)
    operator.stop()  # so that the audit log has the last of its writes: an entry comes after what it tells of
    before = operator_writes(plane, site.user.namespace)

    operator.start()
    for number in range(10):
        for name in names:
            site.user.patch("Device", name, {"metadata": {"annotations": {"touched": str(number)}}})
    # Whatever it would have made of that it has made by the time that a later Device is Ready.
    site.user.apply_device("later")
    site.user.wait_ready("Device", "later")

    after = operator_writes(plane, site.user.namespace)[len(before) :]
    about = set(names) | {f"{name}-device-creds" for name in names}
    assert [write for write in after if write["name"] in about] == []


def test_a_new_device_costs_two_writes_and_a_deleted_one_no_more_than_it_must(site: Site, plane: ControlPlane) -> None:
    site.user.apply_device("counted")
    site.user.wait_ready("Device", "counted")

    made = [w for w in operator_writes(plane, site.user.namespace) if w["resource"] in {"devices", "secrets"}]
    made = [w for w in made if w.get("name", "counted").startswith("counted")]
    assert sorted((w["verb"], w["resource"], w.get("subresource", "")) for w in made) == [
        ("create", "secrets", ""),
        ("patch", "devices", "status"),
    ]


def test_the_operator_owns_nothing_of_a_device_but_its_status(plant: Site) -> None:
    plant.user.apply_device("owned")
    plant.user.wait_ready("Device", "owned")
    plant.user.apply_device("owned", suspended=True)
    device = plant.user.wait_reason("Device", "owned", "Suspended")

    for entry in device["metadata"]["managedFields"]:
        if entry["manager"] == "iotsec":
            assert entry.get("subresource") == "status"
            assert set(entry["fieldsV1"]) == {"f:status"}
    assert device["spec"] == {"hubRef": {"name": "plant"}, "suspended": True}


def test_events_tell_of_changes_and_are_not_repeated(site: Site) -> None:
    site.user.apply_device("eventful")
    site.user.wait_ready("Device", "eventful")
    assert site.user.events("Device", "eventful") == []

    for _ in range(2):
        site.user.apply_device("eventful", suspended=True)
        site.user.wait_reason("Device", "eventful", "Suspended")
        site.user.apply_device("eventful")
        site.user.wait_ready("Device", "eventful")
    site.user.apply_device("eventful", account="missing")
    site.user.wait_event("Device", "eventful", "AccountUnknown")
    site.user.patch("Device", "eventful", {"metadata": {"annotations": {"touched": "1"}}})
    site.user.apply_device("later", account="missing")
    site.user.wait_event("Device", "later", "AccountUnknown")

    told = [(e["type"], e["reason"]) for e in site.user.events("Device", "eventful")]
    assert sorted(told) == [("Normal", "Issued"), ("Normal", "Suspended"), ("Warning", "AccountUnknown")]
    assert {e["regarding"]["kind"] for e in site.user.events("Device", "eventful")} == {"Device"}
