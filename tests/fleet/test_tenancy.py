"""Tenants are kept apart: each is tried with the credentials, the labels and the specs of another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet.conftest import ROOT, Site, new_namespace

from testbed.clients import Connected, connect_as, is_refused, wait_accepted
from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User, condition_of

TEAM = "example.com/team"


@pytest.fixture
def tenant(plane: ControlPlane) -> Iterator[User]:
    """A user in another namespace than the Hub's."""
    with new_namespace(plane) as user:
        yield user


def for_team(team: str, **account: Any) -> dict[str, Any]:
    """An account for the namespaces with a team's label."""
    return {"name": team, "namespaces": {"from": "Selector", "selector": {"matchLabels": {TEAM: team}}}} | account


def declare(site: Site, *accounts: dict[str, Any]) -> None:
    """Apply the Hub with these accounts and wait until every server has them."""
    site.user.apply_hub("plant", [site.url], accounts=list(accounts))
    site.user.wait_ready("Hub", "plant")


def apply_device(tenant: User, site: Site, name: str, **spec: Any) -> None:
    """Apply a Device of a Hub that is in another namespace."""
    tenant.apply("Device", name, {"hubRef": {"name": "plant", "namespace": site.user.namespace}, **spec})


async def hears(listener: Connected, talker: Connected, subject: str) -> bool:
    """Tell whether one hears what the other publishes; the server has dealt with all of it by the second answer."""
    heard = await listener.client.subscribe(subject)
    for device in (listener, listener, talker):
        await device.client.flush()
    await talker.client.publish(subject, b"x")
    for device in (talker, talker, listener, listener):
        await device.client.flush()
    return bool(heard.pending_msgs)


class TestAccounts:
    async def test_one_account_hears_nothing_of_another_whatever_its_identities_may(self, site: Site) -> None:
        declare(site, {"name": "a"}, {"name": "b"})
        anything = {"publish": {"allow": ["orders.>"]}, "subscribe": {"allow": ["orders.>"]}}
        for name, account in (("seller", "a"), ("buyer", "a"), ("spy", "b")):
            site.ready_device(name, account=account, permissions=anything)

        async with (
            connect_as(site.url, site.user.creds("seller")) as seller,
            connect_as(site.url, site.user.creds("buyer")) as buyer,
            connect_as(site.url, site.user.creds("spy")) as spy,
        ):
            assert await hears(buyer, seller, "orders.1")
            assert not await hears(spy, seller, "orders.2")
            assert not await hears(buyer, spy, "orders.3")

    async def test_an_identity_that_moves_is_in_its_new_account_alone(self, site: Site) -> None:
        declare(site, {"name": "a"}, {"name": "b"})
        site.ready_device("nomad", account="a")
        before = site.user.creds("nomad")

        async with connect_as(site.url, before) as live:
            site.ready_device("nomad", account="b")
            await live.wait_closed()

        assert await is_refused(site.url, before)
        await wait_accepted(site.url, site.user.creds("nomad"))

    async def test_who_may_not_widen_his_role_is_told_and_gets_nothing(self, site: Site) -> None:
        declare(site, {"name": "a", "ownPermissions": "Refused"})

        site.user.apply_device("greedy", permissions={"subscribe": {"allow": ["others.>"]}})

        refused = site.user.wait_reason("Device", "greedy", "PermissionsRefused", condition="Stalled")
        assert "leave spec.permissions out" in condition_of(refused, "Stalled")["message"]
        assert site.user.secret("greedy-device-creds") is None
        site.ready_device("modest")

    async def test_a_role_is_only_for_the_accounts_that_have_it(self, site: Site) -> None:
        declare(site, {"name": "a", "roles": ["device"]}, {"name": "b"})

        site.user.apply_device("master", account="a", role="device-any")

        refused = site.user.wait_reason("Device", "master", "RoleUnknown", condition="Stalled")
        assert "account a of Hub" in condition_of(refused, "Stalled")["message"]
        assert site.user.secret("master-device-creds") is None
        site.ready_device("other-master", account="b", role="device-any")


class TestNamespaces:
    async def test_a_namespace_without_the_label_gets_nothing(self, site: Site, tenant: User) -> None:
        declare(site, for_team("boilers"))
        tenant.label_namespace({TEAM: "pumps"})

        apply_device(tenant, site, "boiler-1")

        refused = tenant.wait_reason("Device", "boiler-1", "NamespaceNotAdmitted", condition="Stalled")
        assert "label the namespace as it asks for" in condition_of(refused, "Stalled")["message"]
        assert tenant.secret("boiler-1-device-creds") is None

    async def test_a_namespace_cannot_name_an_account_that_is_not_for_it(self, site: Site, tenant: User) -> None:
        declare(site, for_team("boilers"), for_team("pumps"))
        tenant.label_namespace({TEAM: "pumps"})

        apply_device(tenant, site, "intruder", account="boilers")

        tenant.wait_reason("Device", "intruder", "NamespaceNotAdmitted", condition="Stalled")
        assert tenant.secret("intruder-device-creds") is None

    async def test_a_label_that_goes_cuts_a_live_connection_and_one_that_returns_lets_in_again(
        self, site: Site, tenant: User
    ) -> None:
        declare(site, for_team("boilers"))
        tenant.label_namespace({TEAM: "boilers"})
        apply_device(tenant, site, "boiler-1")
        tenant.wait_ready("Device", "boiler-1")
        before = tenant.creds("boiler-1")

        async with connect_as(site.url, before) as live:
            tenant.label_namespace({TEAM: None})
            await live.wait_closed()

        tenant.wait_reason("Device", "boiler-1", "NamespaceNotAdmitted")
        assert await is_refused(site.url, before)
        tenant.label_namespace({TEAM: "boilers"})
        tenant.wait_ready("Device", "boiler-1")
        assert await is_refused(site.url, before)
        await wait_accepted(site.url, tenant.creds("boiler-1"))

    async def test_a_label_that_goes_while_the_operator_is_away_cuts_off_when_it_returns(
        self, site: Site, tenant: User, operator: Operator
    ) -> None:
        declare(site, for_team("boilers"))
        tenant.label_namespace({TEAM: "boilers"})
        apply_device(tenant, site, "boiler-1")
        tenant.wait_ready("Device", "boiler-1")

        async with connect_as(site.url, tenant.creds("boiler-1")) as live:
            operator.stop()
            tenant.label_namespace({TEAM: None})
            operator.start()
            await live.wait_closed(within=30)

    async def test_an_operator_that_starts_knows_the_namespaces_before_it_judges_anybody(
        self, site: Site, tenant: User, operator: Operator
    ) -> None:
        declare(site, for_team("boilers"))
        tenant.label_namespace({TEAM: "boilers"})
        apply_device(tenant, site, "boiler-1")
        tenant.wait_ready("Device", "boiler-1")
        creds = tenant.creds("boiler-1")

        async with connect_as(site.url, creds) as live:
            operator.stop()
            operator.start()
            apply_device(tenant, site, "boiler-2")
            tenant.wait_ready("Device", "boiler-2")
            assert not live.closed.is_set()

        assert tenant.creds("boiler-1") == creds

    async def test_another_label_moves_a_namespace_to_another_account(self, site: Site, tenant: User) -> None:
        declare(site, for_team("boilers"), for_team("pumps"))
        tenant.label_namespace({TEAM: "boilers"})
        apply_device(tenant, site, "machine")
        assert tenant.wait_ready("Device", "machine")["status"]["account"] == "boilers"
        before = tenant.creds("machine")

        tenant.label_namespace({TEAM: "pumps"})

        tenant.wait_for("Device", "machine", lambda device: device["status"].get("account") == "pumps")
        tenant.wait_ready("Device", "machine")
        assert await is_refused(site.url, before)
        await wait_accepted(site.url, tenant.creds("machine"))

    async def test_who_must_choose_a_new_account_is_out_of_the_old_one_at_once(self, site: Site, tenant: User) -> None:
        declare(site, for_team("boilers"), for_team("pumps"), for_team("pumps", name="pumps-too"))
        tenant.label_namespace({TEAM: "boilers"})
        apply_device(tenant, site, "machine")
        tenant.wait_ready("Device", "machine")
        before = tenant.creds("machine")

        async with connect_as(site.url, before) as live:
            tenant.label_namespace({TEAM: "pumps"})
            await live.wait_closed()

        tenant.wait_reason("Device", "machine", "AccountRequired", condition="Stalled")
        assert await is_refused(site.url, before)

    async def test_a_selector_that_takes_no_namespace_is_told_until_one_has_the_label(
        self, site: Site, tenant: User
    ) -> None:
        nobody = f"nobody-{site.user.namespace}"
        declare(site, {"name": "iot"}, for_team(nobody))

        told = site.user.wait_reason("Hub", "plant", "NoNamespace", condition="SelectorMatchesNothing")
        assert condition_of(told, "Ready")["status"] == "True"
        assert f"account {nobody} asks for" in condition_of(told, "SelectorMatchesNothing")["message"]

        tenant.label_namespace({TEAM: nobody})
        site.user.wait_for("Hub", "plant", lambda hub: not condition_of(hub, "SelectorMatchesNothing"))


def load(folder: Path) -> list[Object]:
    """The objects of an example, namespaces first."""
    files = sorted(folder.glob("*.yaml"))
    found: list[Object] = [thing for file in files for thing in yaml.safe_load_all(file.read_text())]
    return sorted(found, key=lambda thing: (thing["kind"] != "Namespace", thing["kind"] != "Hub"))


async def test_the_example_keeps_teams_apart_and_shows_the_control_room_what_it_is_for(
    plane: ControlPlane,
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    server: NatsServer,
) -> None:
    example = load(ROOT / "examples" / "accounts")
    users = {thing["metadata"]["name"]: User(plane.api, thing["metadata"]["name"]) for thing in example[:3]}
    for thing in example:
        metadata = thing["metadata"]
        if thing["kind"] == "Namespace":
            plane.api.request("POST", "/api/v1/namespaces", thing)
            continue
        if thing["kind"] == "Hub":
            thing["spec"]["nats"]["servers"] = [server.url]
        users[metadata["namespace"]].apply(thing["kind"], metadata["name"], thing["spec"])
    server.mount(users["plants"].wait_secret("site-nats-config"))
    server.start()
    users["plants"].wait_ready("Hub", "site")
    users["boilers"].wait_ready("Device", "boiler-1")
    users["pumps"].wait_ready("Device", "pump-1")
    users["plants"].wait_ready("Client", "control-room")

    async with (
        connect_as(server.url, users["boilers"].creds("boiler-1")) as boiler,
        connect_as(server.url, users["pumps"].creds("pump-1")) as pump,
        connect_as(server.url, users["plants"].creds("control-room", "client")) as room,
    ):
        heard = await room.client.subscribe("boilers.*.alarm.>")
        await room.client.flush()
        assert await room.may_subscribe("boilers.*.alarm.>")
        assert await pump.may_publish("device.pump-1.alarm.leak")
        assert await boiler.may_publish("device.boiler-1.telemetry")
        assert await boiler.may_publish("device.boiler-1.alarm.heat")

        message = await heard.next_msg(timeout=5)

        assert message.subject == "boilers.boiler-1.alarm.heat"
        assert heard.pending_msgs == 0

    for name in users:
        plane.api.request("DELETE", f"/api/v1/namespaces/{name}")
    for user in users.values():
        user.wait_namespace_gone(within=90)
