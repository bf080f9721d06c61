"""Server-side components: what the preset reaches, answers to requests, and the restart of what runs them."""

from typing import Any

import pytest
from fleet.conftest import Site

from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.operator import Operator
from testbed.user import Object, condition_of

RESTARTED_AT = "iotsec.dev/restartedAt"
SHORT = {"jwt": {"duration": "1h"}, "keys": {"duration": "1h", "overlap": "10m"}}


def ready_module(site: Site, name: str, **spec: Any) -> Object:
    """Apply a Module and wait until it is Ready."""
    site.user.apply_module(name, **spec)
    return site.user.wait_ready("Module", name)


class TestRole:
    async def test_the_preset_serves_clients_reads_devices_and_tells_events(self, plant: Site) -> None:
        ready_module(plant, "ingest")

        async with connect_as(plant.url, plant.user.creds("ingest", "module"), inbox_prefix="_INBOX_ingest") as module:
            for subject in ("client.x.core.v1alpha.list", "event.alarm.raised", "weather-01.set", "_INBOX_x.y.z"):
                assert await module.may_publish(subject)
            for subject in ("client.*.core.>", "event.*.>", "device.*.>", "device.weather-01.telemetry"):
                assert await module.may_subscribe(subject)
            for subject in ("weather-01.>", "device.>", "_INBOX.>", "_INBOX_x.>", ">"):
                assert not await module.may_subscribe(subject)

    async def test_it_reaches_nothing_of_the_systems(self, plant: Site) -> None:
        ready_module(plant, "curious")

        async with connect_as(plant.url, plant.user.creds("curious", "module")) as module:
            for subject in ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ"):
                assert not await module.may_publish(subject)
                assert not await module.may_subscribe(subject)
            assert not await module.may_subscribe("$SYS.>")

    async def test_it_answers_the_requests_of_a_client(self, plant: Site) -> None:
        ready_module(plant, "directory")
        plant.user.apply_client("asking", accessLevel="ReadOnly")
        plant.user.wait_ready("Client", "asking")

        async with (
            connect_as(plant.url, plant.user.creds("directory", "module")) as module,
            connect_as(plant.url, plant.user.creds("asking", "client"), inbox_prefix="_INBOX_asking") as client,
        ):

            async def answer(message: Any) -> None:
                await module.client.publish(message.reply, b"weather-01")

            await module.client.subscribe("client.*.core.v1alpha.list", cb=answer)
            for _ in range(2):  # nats-py's ping overtakes what is still in its buffer
                await module.client.flush()

            reply = await client.client.request("client.asking.core.v1alpha.list", b"", timeout=5)

        assert reply.data == b"weather-01"

    async def test_a_deleted_module_is_cut_off(self, plant: Site) -> None:
        ready_module(plant, "dropped")
        creds = plant.user.creds("dropped", "module")

        async with connect_as(plant.url, creds) as module:
            plant.user.delete("Module", "dropped")
            await module.wait_closed()

        plant.user.wait_gone("Module", "dropped")
        assert await is_refused(plant.url, creds)


def run_workload(site: Site, name: str, kind: str = "Deployment") -> None:
    """Create a workload that mounts the creds Secret of a Module; no pods run here."""
    labels = {"app": name}
    container = {
        "name": "main",
        "image": "example.invalid/ingest:1",
        "volumeMounts": [{"name": "creds", "mountPath": "/creds"}],
    }
    spec = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"note": "theirs"}},
            "spec": {
                "containers": [container],
                "volumes": [{"name": "creds", "secret": {"secretName": f"{name}-module-creds"}}],
            },
        },
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    site.user.create(kind, name, spec=spec)


def workload_of(name: str, kind: str = "Deployment") -> dict[str, Any]:
    """What a Module says of its workload."""
    return {"kind": kind, "name": name, "onRotation": "Restart"}


def found(site: Site, name: str, kind: str = "Deployment") -> Object:
    """The workload as it is."""
    there = site.user.get(kind, name)
    assert there is not None
    return there


def mark(site: Site, name: str, kind: str = "Deployment") -> str:
    """What the operator wrote on the pod template, empty where it wrote nothing."""
    annotations = found(site, name, kind)["spec"]["template"]["metadata"]["annotations"]
    return str(annotations.get(RESTARTED_AT, ""))


def rotate(site: Site, name: str, token: str) -> Object:
    """Ask for another key, and wait until the Module tells that it has it."""
    site.user.annotate("Module", name, {"iotsec.dev/rotate": token})
    return site.user.wait_for("Module", name, lambda m: token in m["status"].get("rotated", ()))


def forgotten(site: Site, name: str, before: Object) -> Object:
    """What a merge patch says to take everything from a status that was not there before."""
    there = site.user.get("Module", name)
    assert there is not None
    return dict.fromkeys(there["status"].keys() - before.keys())


class TestWorkload:
    @pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
    def test_each_rotation_restarts_it_once_and_touches_nothing_else(self, plant: Site, kind: str) -> None:
        name = f"restarted-{kind.lower()}"
        run_workload(plant, name, kind)
        ready_module(plant, name, workload=workload_of(name, kind))
        before = found(plant, name, kind)
        assert mark(plant, name, kind) == "", "the first credential restarts nothing"

        status = rotate(plant, name, "1")["status"]

        after = found(plant, name, kind)
        assert mark(plant, name, kind) == status["restartedAt"]
        assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
        del after["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT]
        assert after["spec"] == before["spec"]
        owned = [e["fieldsV1"] for e in after["metadata"]["managedFields"] if e["manager"] == "iotsec"]
        annotation = {f"f:{RESTARTED_AT}": {}}
        assert owned == [{"f:spec": {"f:template": {"f:metadata": {"f:annotations": annotation}}}}]
        plant.user.wait_event("Module", name, "Restarted", kind_of="Normal")

    @pytest.mark.parametrize("restarted", [False, True], ids=["before the restart", "after it"])
    def test_a_crash_between_the_secret_and_the_status_restarts_it_once(
        self, plant: Site, operator: Operator, *, restarted: bool
    ) -> None:
        name = f"unlucky-{restarted}".lower()
        run_workload(plant, name)
        before = ready_module(plant, name, workload=workload_of(name))["status"]
        first = rotate(plant, name, "1")["status"]["restartedAt"]

        operator.kill()
        plant.user.patch("Module", name, {"status": {**before, **forgotten(plant, name, before)}}, subresource="status")
        if not restarted:
            template = {"metadata": {"annotations": {RESTARTED_AT: None}}}
            plant.user.patch("Deployment", name, {"spec": {"template": template}})
        generation = found(plant, name)["metadata"]["generation"]
        operator.start()

        status = plant.user.wait_for("Module", name, lambda m: "restartedAt" in m["status"])["status"]
        assert status["restartedAt"] == mark(plant, name) == first
        assert found(plant, name)["metadata"]["generation"] == generation + (not restarted)

    def test_a_restart_of_the_operator_restarts_no_workload(self, plant: Site, operator: Operator) -> None:
        run_workload(plant, "steady")
        ready_module(plant, "steady", workload=workload_of("steady"))
        rotate(plant, "steady", "1")
        generation = found(plant, "steady")["metadata"]["generation"]

        operator.stop()
        operator.start()
        ready_module(plant, "later")  # what was there before was looked at first

        assert found(plant, "steady")["metadata"]["generation"] == generation

    async def test_the_workload_finds_a_credential_that_works_in_the_secret(self, plant: Site) -> None:
        run_workload(plant, "fresh")
        ready_module(plant, "fresh", workload=workload_of("fresh"), rotation=SHORT)
        before = plant.user.creds("fresh", "module")

        rotate(plant, "fresh", "1")

        assert mark(plant, "fresh")
        await wait_accepted(plant.url, before)
        await wait_accepted(plant.url, plant.user.creds("fresh", "module"))

    def test_one_that_is_not_to_be_restarted_is_left_alone(self, plant: Site) -> None:
        run_workload(plant, "left-alone")
        ready_module(plant, "left-alone", workload={"kind": "Deployment", "name": "left-alone"})

        status = rotate(plant, "left-alone", "1")["status"]

        assert mark(plant, "left-alone") == ""
        assert "restartedAt" not in status

    def test_one_that_is_missing_is_told_and_the_module_works_all_the_same(self, plant: Site) -> None:
        ready_module(plant, "homeless", workload=workload_of("homless"))

        told = rotate(plant, "homeless", "1")
        assert condition_of(told, "RestartPending")["reason"] == "WorkloadNotFound"
        assert "Deployment homless" in condition_of(told, "RestartPending")["message"]
        assert condition_of(told, "Ready")["status"] == "True"
        assert condition_of(told, "Stalled") == {}
        plant.user.wait_event("Module", "homeless", "WorkloadNotFound")

        run_workload(plant, "homeless")
        ready_module(plant, "homeless", workload=workload_of("homeless"))

        healed = plant.user.wait_for("Module", "homeless", lambda m: "restartedAt" in m["status"])
        assert mark(plant, "homeless") == healed["status"]["restartedAt"]
        assert condition_of(healed, "RestartPending") == {}
