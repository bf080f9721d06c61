"""Nothing that was given up is let in again, whatever was down at that moment."""

import pytest
from fleet.conftest import Site, new_namespace
from fleet.key_holder import KeyHolder, revocations, stored_jwt

from testbed.clients import connect_as, is_accepted, is_refused, wait_refused
from testbed.control_plane import ControlPlane
from testbed.operator import Operator
from testbed.user import User, condition_of


async def test_a_device_deleted_while_the_operator_is_down_is_cut_off_when_it_returns(
    plant: Site, operator: Operator
) -> None:
    names = [f"deleted-in-absence-{n}" for n in range(5)]
    creds = plant.ready_devices(names)

    operator.stop()
    for name in names:
        plant.user.delete("Device", name)
    async with connect_as(plant.url, creds[names[0]]) as device:
        operator.start()
        await device.wait_closed()

    for name in names:
        plant.user.wait_gone("Device", name)
        assert await is_refused(plant.url, creds[name])
        plant.user.wait_gone("Secret", f"{name}-device-creds")


async def test_a_device_whose_jwt_has_just_expired_is_revoked_for_servers_whose_clocks_lag(
    plant: Site, operator: Operator
) -> None:
    key = plant.ready_device("just-expired", rotation={"jwt": {"duration": "10s"}})["status"]["publicKey"]
    creds = plant.user.creds("just-expired")

    operator.stop()
    plant.user.delete("Device", "just-expired")
    await wait_refused(plant.url, creds, within=30)  # by a server whose clock does not lag
    operator.start()
    plant.user.wait_gone("Device", "just-expired")

    assert key in revocations(stored_jwt(plant.server, KeyHolder(plant.user).account))


async def test_a_device_forced_away_while_the_operator_is_down_is_cut_off_by_the_secret_it_left(
    plant: Site, operator: Operator
) -> None:
    names = [f"forced-away-{n}" for n in range(3)]
    creds = plant.ready_devices(names)

    operator.stop()
    for name in names:
        plant.user.patch("Device", name, {"metadata": {"finalizers": None}})
        plant.user.delete("Device", name)
        plant.user.wait_gone("Device", name)
    operator.start()

    for name in names:
        plant.user.wait_gone("Secret", f"{name}-device-creds")
        assert await is_refused(plant.url, creds[name])


async def test_a_device_forced_away_and_made_anew_while_the_operator_is_down_gets_other_credentials(
    plant: Site, operator: Operator
) -> None:
    plant.user.apply_device("replaced")
    plant.user.wait_ready("Device", "replaced")
    old = plant.user.creds("replaced")

    operator.stop()
    plant.user.patch("Device", "replaced", {"metadata": {"finalizers": None}})
    plant.user.delete("Device", "replaced")
    plant.user.wait_gone("Device", "replaced")
    plant.user.apply_device("replaced")
    operator.start()

    plant.user.wait_ready("Device", "replaced")
    assert await is_refused(plant.url, old)
    async with connect_as(plant.url, plant.user.creds("replaced")) as device:
        assert await device.may_publish("device.replaced.telemetry")


@pytest.mark.parametrize("absent", [False, True], ids=["while it runs", "while it is away"])
@pytest.mark.parametrize("policy", ["Foreground", "Orphan"])
async def test_however_a_device_is_deleted_it_is_cut_off_and_its_secret_is_free(
    plant: Site, operator: Operator, policy: str, *, absent: bool
) -> None:
    name = f"{policy}-{absent}".lower()
    plant.user.apply_device(name)
    plant.user.wait_ready("Device", name)
    creds = plant.user.creds(name)

    if absent:
        operator.stop()
    path = f"/apis/iotsec.dev/v1alpha1/namespaces/{plant.user.namespace}/devices/{name}"
    plant.user.api.request("DELETE", path, {"propagationPolicy": policy})
    if absent:
        operator.start()

    plant.user.wait_gone("Device", name)
    assert await is_refused(plant.url, creds)
    if policy == "Orphan":
        plant.user.delete("Secret", f"{name}-device-creds")
    plant.user.wait_gone("Secret", f"{name}-device-creds")


async def test_a_device_deleted_while_nats_is_down_stays_and_says_why_until_it_is_cut_off(site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    creds = site.user.creds("weather-01")

    site.server.kill()
    site.user.delete("Device", "weather-01")

    waiting = site.user.wait_reason("Device", "weather-01", "NatsUnavailable")
    assert "no NATS server answers" in condition_of(waiting, "Ready")["message"]
    assert condition_of(waiting, "Reconciling")["status"] == "True"
    site.user.wait_event("Device", "weather-01", "NatsUnavailable", kind_of="Warning")
    site.server.start()
    site.user.wait_gone("Device", "weather-01")
    assert await is_refused(site.url, creds)


async def test_a_namespace_goes_with_all_its_devices_and_none_is_let_in_again(site: Site, plane: ControlPlane) -> None:
    names = [f"weather-{n}" for n in range(5)]
    for name in names:
        site.user.apply_device(name)
    creds = []
    for name in names:
        site.user.wait_ready("Device", name)
        creds.append(site.user.creds(name))

    plane.api.request("DELETE", f"/api/v1/namespaces/{site.user.namespace}")

    site.user.wait_namespace_gone(within=60)
    for each in creds:
        assert await is_refused(site.url, each)


def admit_all_namespaces(site: Site) -> None:
    site.user.apply_hub("plant", [site.url], accounts=[{"name": "iot", "namespaces": {"from": "All"}}])
    site.user.wait_ready("Hub", "plant")


def connect_from(tenant: User, site: Site) -> str:
    """The credentials of a Device in a tenant's namespace, of the site's Hub."""
    tenant.apply("Device", "weather-01", {"hubRef": {"name": "plant", "namespace": site.user.namespace}})
    tenant.wait_ready("Device", "weather-01")
    return tenant.creds("weather-01")


async def test_devices_in_a_namespace_that_goes_are_cut_off_from_a_hub_that_stays(
    site: Site, plane: ControlPlane
) -> None:
    admit_all_namespaces(site)
    with new_namespace(plane) as tenant:
        creds = connect_from(tenant, site)

        async with connect_as(site.url, creds) as device:
            plane.api.request("DELETE", f"/api/v1/namespaces/{tenant.namespace}")
            await device.wait_closed()
        tenant.wait_namespace_gone(within=60)
    assert await is_refused(site.url, creds)


async def test_a_namespace_deleted_while_the_operator_is_down_goes_when_it_returns_and_nobody_is_let_in(
    site: Site, operator: Operator, plane: ControlPlane
) -> None:
    creds = site.ready_devices(["weather-01"])["weather-01"]
    operator.stop()
    plane.api.request("DELETE", f"/api/v1/namespaces/{site.user.namespace}")
    site.user.wait_for("Device", "weather-01", lambda it: "deletionTimestamp" in it["metadata"])
    assert await is_accepted(site.url, creds), "nobody is there to cut it off"

    operator.start()

    site.user.wait_namespace_gone(within=60)
    assert await is_refused(site.url, creds)


async def test_a_tenants_namespace_deleted_while_the_operator_is_down_is_cut_off_when_it_returns(
    site: Site, operator: Operator, plane: ControlPlane
) -> None:
    admit_all_namespaces(site)
    with new_namespace(plane) as tenant:
        creds = connect_from(tenant, site)
        operator.stop()
        plane.api.request("DELETE", f"/api/v1/namespaces/{tenant.namespace}")
        tenant.wait_for("Device", "weather-01", lambda it: "deletionTimestamp" in it["metadata"])

        async with connect_as(site.url, creds) as device:
            operator.start()
            await device.wait_closed()
        tenant.wait_namespace_gone(within=60)
    assert await is_refused(site.url, creds)


@pytest.mark.parametrize("order", ["device first", "hub first"])
async def test_a_device_whose_hub_was_forced_away_can_be_deleted(site: Site, order: str) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")

    def force_hub_away() -> None:
        site.user.delete("Hub", "plant")
        site.user.patch("Hub", "plant", {"metadata": {"finalizers": None}})
        site.user.wait_gone("Hub", "plant")

    if order == "hub first":
        force_hub_away()
        site.user.delete("Device", "weather-01")
    else:
        site.server.kill()
        site.user.delete("Device", "weather-01")
        site.user.wait_reason("Device", "weather-01", "NatsUnavailable")
        force_hub_away()

    site.user.wait_gone("Device", "weather-01")
    site.user.wait_gone("Secret", "weather-01-device-creds")
