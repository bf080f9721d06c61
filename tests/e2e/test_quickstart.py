"""The quickstart on a node: from nothing to a Device that may log in, by an operator that may do little."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.conftest import Site, leader_of
from e2e.installation import NAME, hardened

from testbed.api import RequestRefusedError
from testbed.binaries import find
from testbed.clients import connect_as, is_refused
from testbed.node.cluster import Cluster
from testbed.node.operator_image import NAME as IMAGE
from testbed.node.pods import log_of, pods_of, reached
from testbed.node.prepare import OPERATOR_IMAGE
from testbed.ports import Port
from testbed.processes import Process
from testbed.user import condition_of
from testbed.waiting import wait_until


def test_the_first_device_is_ready_within_a_minute_of_the_installation(site: Site, measured: dict[str, str]) -> None:
    measured["installation to first Device Ready"] = f"{site.seconds:.1f} s"

    assert site.seconds < 60


def test_the_operators_container_takes_little_memory_without_devices(site: Site, measured: dict[str, str]) -> None:
    megabytes = site.idle_bytes / 2**20
    measured["operator's container at 0 Devices"] = f"{megabytes:.0f} MiB"

    assert megabytes < 128


def test_the_image_is_small(measured: dict[str, str]) -> None:
    megabytes = OPERATOR_IMAGE.stat().st_size / 2**20
    measured["operator's image, uncompressed, its base included"] = f"{megabytes:.0f} MiB"

    assert megabytes < 300


def test_three_servers_serve_the_hub(site: Site) -> None:
    hub = site.user.wait_for("Hub", "plant", lambda found: len(found["status"].get("servers", ())) == 3, within=60)

    assert condition_of(hub, "Ready")["status"] == "True"
    assert len(pods_of(site.user, **{"app.kubernetes.io/name": "nats"})) == 3


def test_nats_is_reached_by_the_name_that_the_hub_has(site: Site) -> None:
    assert reached(site.user, "curious", "nats.iot.svc:4222") == {"nats.iot.svc:4222": "open"}


@pytest.fixture
def forwarded(cluster: Cluster, site: Site, tmp_path: Path) -> Iterator[str]:
    """NATS at a port of this machine, by `kubectl port-forward`."""
    port = Port()
    where = ("--kubeconfig", cluster.kubeconfig, "--namespace", site.user.namespace)
    command = [find("kubectl"), *where, "port-forward", "service/nats", f"{port}:4222"]
    with Process.serving(command, tmp_path / "log", ready=lambda process: "Forwarding from" in process.output()):
        yield f"nats://127.0.0.1:{port}"


async def test_a_device_connects_from_outside_and_is_cut_off_when_it_is_deleted(site: Site, forwarded: str) -> None:
    site.user.apply_device("weather-03")
    site.user.wait_ready("Device", "weather-03")
    creds = site.user.creds("weather-03")

    async with connect_as(forwarded, creds, inbox_prefix="_INBOX_weather-03") as device:
        assert await device.may_publish("device.weather-03.telemetry")
        assert await device.may_subscribe("weather-03.>")
        assert not await device.may_publish("device.weather-01.telemetry")
        site.user.delete("Device", "weather-03")
        await device.wait_closed()

    site.user.wait_gone("Device", "weather-03")
    assert await is_refused(forwarded, creds)


def test_the_operator_runs_as_nobody_with_its_own_account(site: Site) -> None:
    spec = pods_of(site.operator, **{"app.kubernetes.io/name": NAME})[0]["spec"]

    assert spec["serviceAccountName"] == NAME
    assert spec["securityContext"]["runAsNonRoot"]


def test_the_operator_says_nothing_of_refused_requests(site: Site) -> None:
    pods = pods_of(site.operator, **{"app.kubernetes.io/name": NAME})

    assert not any("forbidden" in log_of(site.operator, pod["metadata"]["name"]).lower() for pod in pods)


def test_when_the_replica_that_works_goes_the_other_goes_on(site: Site) -> None:
    leader = leader_of(site.operator)

    site.operator.delete("Pod", leader)

    wait_until(lambda: leader_of(site.operator) not in ("", leader), within=30, what="another replica leads")
    site.user.apply_device("weather-02")
    site.user.wait_ready("Device", "weather-02")


@pytest.mark.parametrize(
    "loosened",
    [
        {"privileged": True, "allowPrivilegeEscalation": True},
        {"allowPrivilegeEscalation": True},
        {"runAsNonRoot": False},
        {"capabilities": {}},
        {"seccompProfile": {"type": "Unconfined"}},
    ],
    ids=lambda loosened: next(iter(loosened)),
)
def test_a_pod_that_may_more_is_refused_beside_the_operator(site: Site, loosened: dict[str, object]) -> None:
    container = hardened("loose", IMAGE)
    container["securityContext"] |= loosened

    with pytest.raises(RequestRefusedError, match="violates PodSecurity"):
        site.operator.create("Pod", "loose", spec={"containers": [container]})
