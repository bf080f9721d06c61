"""The end of a Hub: not while anybody needs it, and then for good."""

import uuid
from contextlib import suppress

import pytest
from fleet.conftest import ClusterSite, Site
from fleet.key_holder import KeyHolder, issued_at, stored_jwt

from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims
from testbed.api import RequestRefusedError
from testbed.clients import connect_as, is_refused, wait_accepted, wait_refused
from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")

SECRETS = ("plant-nats-config", "plant-identity-keys", "plant-signing-keys", "plant-ledger-iot")


def secrets_of_hub(user: User) -> list[str]:
    """Those of a Hub's Secrets that exist."""
    return [name for name in SECRETS if user.get("Secret", name) is not None]


def force(user: User) -> None:
    """Say that the Hub may go without a word to its servers."""
    user.patch("Hub", "plant", {"metadata": {"annotations": {"iotsec.dev/force-delete": "true"}}})


async def test_a_hub_in_use_stays_and_goes_on_cutting_off_until_the_last_identity_is_gone(site: Site) -> None:
    creds = {}
    for device in ("weather-01", "weather-02"):
        site.user.apply_device(device)
        site.user.wait_ready("Device", device)
        creds[device] = site.user.creds(device)

    site.user.delete("Hub", "plant")
    refused = site.user.wait_reason("Hub", "plant", "InUse")
    message = condition_of(refused, "Ready")["message"]
    assert "Device" in message
    assert "weather-01" in message
    assert "weather-02" in message
    assert condition_of(refused, "Connected")["status"] == "True"
    wait_until(
        lambda: [(e["type"], e["reason"]) for e in site.user.events("Hub", "plant") if e["reason"] == "InUse"],
        what="a warning",
    )
    assert [e["type"] for e in site.user.events("Hub", "plant") if e["reason"] == "InUse"] == ["Warning"]

    async with connect_as(site.url, creds["weather-01"]) as device, connect_as(site.url, creds["weather-02"]) as other:
        site.user.delete("Device", "weather-01")
        await device.wait_closed()
        site.user.wait_gone("Device", "weather-01")
        assert await is_refused(site.url, creds["weather-01"])
        assert await other.may_publish("device.weather-02.telemetry")
        assert secrets_of_hub(site.user) == list(SECRETS)

        site.user.delete("Device", "weather-02")
        await other.wait_closed()

    site.user.wait_gone("Hub", "plant")
    assert await is_refused(site.url, creds["weather-02"])


def test_a_hub_in_use_names_ten_of_its_identities_and_counts_the_rest(site: Site) -> None:
    names = [f"weather-{number:02}" for number in range(12)]
    for name in names:
        site.user.apply_device(name)

    site.user.delete("Hub", "plant")

    refused = site.user.wait_for(
        "Hub", "plant", lambda hub: condition_of(hub, "Ready")["message"].startswith("12 identities")
    )
    message = condition_of(refused, "Ready")["message"]
    assert sum(name in message for name in names) == 10
    assert "and 2 more" in message


async def test_a_deleted_hubs_accounts_end_on_its_servers_and_its_secrets_go(site: Site) -> None:
    holder = KeyHolder(site.user)
    valid = holder.user_creds()
    before = stored_jwt(site.server, holder.account)

    async with connect_as(site.url, valid) as connection:
        site.user.delete("Hub", "plant")
        await connection.wait_closed()

    site.user.wait_gone("Hub", "plant")
    assert await is_refused(site.url, valid)
    last = jwt.decode(stored_jwt(site.server, holder.account))
    assert isinstance(last.claims, AccountClaims)
    assert (last.claims.limits.connections, last.claims.signing_keys) == (0, ())
    assert last.issued_at > issued_at(before)
    assert secrets_of_hub(site.user) == []


async def test_a_server_that_missed_the_end_of_a_hub_does_not_bring_its_accounts_back(
    cluster_site: ClusterSite,
) -> None:
    user, (away, *others) = cluster_site.user, cluster_site.cluster.servers
    valid = KeyHolder(user).user_creds()
    await wait_accepted(away.url, valid)
    away.kill()
    user.delete("Hub", "plant")
    user.wait_gone("Hub", "plant")

    away.start()

    await wait_refused(away.url, valid)
    assert [await is_refused(server.url, valid) for server in others] == [True, True]


def test_a_hub_made_again_by_its_name_has_new_keys(site: Site) -> None:
    old = site.user.wait_ready("Hub", "plant")["status"]
    site.user.delete("Hub", "plant")
    site.user.wait_gone("Hub", "plant")

    site.user.apply_hub("plant", [site.url])

    new = site.user.wait_reason("Hub", "plant", "NatsRefused")["status"]  # the server trusts the old operator
    assert new["operatorPublicKey"] != old["operatorPublicKey"]
    assert secrets_of_hub(site.user) == list(SECRETS)


def test_a_hub_that_was_never_connected_goes_at_once(user: User, server: NatsServer) -> None:
    user.apply_hub("plant", [server.url])
    user.wait_reason("Hub", "plant", "NatsUnavailable")

    user.delete("Hub", "plant")

    user.wait_gone("Hub", "plant", within=5)
    assert secrets_of_hub(user) == []


@pytest.mark.parametrize("restarted", [False, True], ids=["same operator", "operator restarted meanwhile"])
def test_a_hub_whose_servers_are_away_explains_itself_and_may_be_forced(
    operator: Operator, site: Site, *, restarted: bool
) -> None:
    site.server.stop()
    site.user.wait_reason("Hub", "plant", "NatsUnavailable")
    if restarted:
        operator.stop()
        operator.start()

    site.user.delete("Hub", "plant")
    waiting = site.user.wait_for(
        "Hub", "plant", lambda hub: "force-delete=true" in condition_of(hub, "Ready").get("message", "")
    )
    assert condition_of(waiting, "Ready")["reason"] == "NatsUnavailable"
    assert secrets_of_hub(site.user) == list(SECRETS)

    force(site.user)
    site.user.wait_gone("Hub", "plant", within=5)
    assert secrets_of_hub(site.user) == []


async def test_a_hub_whose_servers_return_is_retired_without_force(site: Site) -> None:
    valid = KeyHolder(site.user).user_creds()
    site.server.stop()
    site.user.delete("Hub", "plant")
    site.user.wait_for("Hub", "plant", lambda hub: "force-delete" in condition_of(hub, "Ready")["message"])

    site.server.start()

    site.user.wait_gone("Hub", "plant")
    assert await is_refused(site.url, valid)


def test_a_forced_hub_frees_identities_that_wait_for_servers_that_never_return(site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    site.server.stop()
    for kind, name in (("Device", "weather-01"), ("Hub", "plant")):
        site.user.delete(kind, name)
    site.user.wait_reason("Hub", "plant", "InUse")

    force(site.user)

    site.user.wait_gone("Hub", "plant", within=10)
    site.user.wait_gone("Device", "weather-01", within=10)


def test_a_hub_whose_end_was_interrupted_by_a_crash_goes_on_where_it_was(operator: Operator, site: Site) -> None:
    status = site.user.wait_ready("Hub", "plant")["status"]
    operator.kill()
    site.user.delete("Hub", "plant")
    ready = {**status["conditions"][0], "status": "False", "reason": "Deleting"}
    site.user.patch("Hub", "plant", {"status": {"conditions": [ready]}}, subresource="status")
    for name in SECRETS:
        site.user.patch("Secret", name, {"metadata": {"finalizers": None}})
        site.user.delete("Secret", name)

    operator.start()

    site.user.wait_gone("Hub", "plant")


def test_secrets_of_a_hub_whose_finalizer_was_torn_off_go_too(site: Site) -> None:
    site.user.patch("Hub", "plant", {"metadata": {"finalizers": None}})
    site.user.delete("Hub", "plant")
    site.user.wait_gone("Hub", "plant")

    wait_until(lambda: secrets_of_hub(site.user) == [], what="no Secret is left")


async def test_a_hub_deleted_in_the_foreground_keeps_its_keys_while_it_is_in_use(site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    creds = site.user.creds("weather-01")

    site.user.delete_in_foreground("Hub", "plant")
    site.user.wait_reason("Hub", "plant", "InUse")
    site.user.delete("Device", "weather-01")

    site.user.wait_gone("Device", "weather-01")
    site.user.wait_gone("Hub", "plant")
    assert await is_refused(site.url, creds)
    assert secrets_of_hub(site.user) == []


async def test_an_identity_deleted_before_any_server_came_up_is_refused_by_the_first(
    user: User, server: NatsServer
) -> None:
    user.apply_hub("plant", [server.url])
    for device in ("weather-01", "weather-02"):
        user.apply_device(device)
    creds, other = user.creds("weather-01"), user.creds("weather-02")

    user.delete("Device", "weather-01")
    user.wait_gone("Device", "weather-01")
    server.mount(user.wait_secret("plant-nats-config"))
    server.start()

    user.wait_ready("Device", "weather-02")
    await wait_accepted(server.url, other)
    assert await is_refused(server.url, creds)


def test_a_namespace_whose_servers_never_came_up_goes_with_all_in_it(plane: ControlPlane, server: NatsServer) -> None:
    user = User(plane.api, f"never-{uuid.uuid4().hex[:8]}")
    plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": user.namespace}})
    user.apply_hub("plant", [server.url])
    user.apply_device("weather-01")
    user.wait_secret("weather-01-device-creds")

    plane.api.request("DELETE", f"/api/v1/namespaces/{user.namespace}")

    user.wait_namespace_gone()


async def test_a_deleted_namespace_takes_hub_devices_and_secrets_in_order(
    plane: ControlPlane, server: NatsServer
) -> None:
    user = User(plane.api, f"doomed-{uuid.uuid4().hex[:8]}")
    namespace = f"/api/v1/namespaces/{user.namespace}"
    plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": user.namespace}})
    user.apply_hub("plant", [server.url])
    server.mount(user.wait_secret("plant-nats-config"))
    server.start()
    user.apply_device("weather-01")
    user.wait_ready("Device", "weather-01")
    creds = user.creds("weather-01")

    plane.api.request("DELETE", namespace)

    def is_gone() -> bool:
        with suppress(RequestRefusedError):
            plane.api.request("GET", namespace)
            return False
        return True

    wait_until(is_gone, what="the namespace is gone")
    assert await is_refused(server.url, creds)
