"""The API server goes away in the middle of the work and comes back: all is done, once, by the same process."""

from collections.abc import Iterator

import pytest
from fleet.conftest import ROOT, Site, bring_up, new_namespace

from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.waiting import wait_until


@pytest.fixture(scope="module")
def frail_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of these tests' own: others would not like its outages."""
    with ControlPlane(tmp_path_factory.mktemp("frail"), manifests=[ROOT / "crds", ROOT / "manifests"]) as plane:
        yield plane


@pytest.fixture(scope="module")
def its_operator(frail_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with Operator(frail_plane, tmp_path_factory.mktemp("its-operator")) as operator:
        yield operator


@pytest.fixture(scope="module")
def frail(
    frail_plane: ControlPlane,
    its_operator: Operator,  # noqa: ARG001 - it makes the Hub work
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    server = NatsServer(tmp_path_factory.mktemp("nats"), interval="2s")
    with new_namespace(frail_plane) as user, server:
        yield bring_up(user, server)


def fail_once(plane: ControlPlane) -> None:
    plane.stop_api_server()
    plane.start_api_server()


async def test_devices_applied_before_and_after_an_outage_all_get_one_secret(
    frail: Site, frail_plane: ControlPlane, its_operator: Operator
) -> None:
    pid = its_operator.running().pid
    names = [f"onboarded-{n:02}" for n in range(30)]
    for count, name in enumerate(names):
        frail.user.apply_device(name)
        if count in {4, 17}:
            fail_once(frail_plane)

    for name in names:
        frail.user.wait_ready("Device", name, within=60)
        assert frail.user.wait_ready("Device", name)["status"]["revision"] == 1, "it was issued once"
        await wait_accepted(frail.url, frail.user.creds(name))
    secrets = frail.user.api.request("GET", f"/api/v1/namespaces/{frail.user.namespace}/secrets")["items"]
    made = [s["metadata"]["name"] for s in secrets if s["metadata"]["name"].startswith("onboarded")]
    assert sorted(made) == [f"{name}-device-creds" for name in names]
    assert its_operator.running().alive
    assert its_operator.running().pid == pid


async def test_devices_deleted_just_before_an_outage_are_cut_off_all_the_same(
    frail: Site, frail_plane: ControlPlane, its_operator: Operator
) -> None:
    names = [f"given-up-{n:02}" for n in range(10)]
    creds = frail.ready_devices(names)

    for name in names:
        frail.user.delete("Device", name)
    fail_once(frail_plane)

    for name in names:
        frail.user.wait_gone("Device", name, within=60)
        assert await is_refused(frail.url, creds[name])
    assert its_operator.running().alive


async def test_an_outage_cuts_nobody_off_and_what_is_suspended_after_it_is(
    frail: Site, frail_plane: ControlPlane, its_operator: Operator
) -> None:
    frail.user.apply_device("steady")
    frail.user.wait_ready("Device", "steady")

    async with connect_as(frail.url, frail.user.creds("steady")) as device:
        fail_once(frail_plane)
        frail.user.apply_device("after-the-outage")
        frail.user.wait_ready("Device", "after-the-outage", within=60)
        assert await device.may_publish("device.steady.telemetry")

        frail.user.apply_device("steady", suspended=True)
        await device.wait_closed()
    frail.user.wait_reason("Device", "steady", "Suspended")
    assert its_operator.running().alive


def test_what_was_touched_during_an_outage_of_the_operators_watch_is_still_found(
    frail: Site, frail_plane: ControlPlane, its_operator: Operator
) -> None:
    """The API server is back before the operator is: what happened meanwhile it finds by listing anew."""
    frail.user.apply_device("missed-a")
    frail.user.apply_device("missed-b")
    frail.user.wait_ready("Device", "missed-a")
    before = frail.user.wait_secret("missed-a-device-creds")
    frail.user.wait_ready("Device", "missed-b")

    fail_once(frail_plane)
    frail.user.patch("Secret", "missed-a-device-creds", {"data": {"user.jwt": None}})
    frail.user.patch("Device", "missed-b", {"metadata": {"finalizers": None}})
    frail.user.delete("Device", "missed-b")

    wait_until(lambda: frail.user.secret("missed-a-device-creds") == before, within=60, what="the Secret is mended")
    frail.user.wait_gone("Secret", "missed-b-device-creds", within=60)
    assert its_operator.running().alive
