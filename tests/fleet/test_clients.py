"""People, tools and dashboards: what each access level reaches, and that it ends with its Client."""

from functools import partial

import pytest
from fleet.conftest import Site

from testbed.api import RequestRefusedError
from testbed.clients import Connected, connect_as, is_refused
from testbed.user import Object, condition_of
from testbed.waiting import wait_until

LISTS = [f"client.*.{kind}.v1alpha.list" for kind in ("core", "cfg", "cmd", "tlm", "evt")]
FOREIGN_INBOXES = ("_INBOX.>", "_INBOX_somebody.>")
SYSTEM = ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.USER.INFO", "$SYS.ACCOUNT.x.CONNECT")


def ready_client(site: Site, name: str, **spec: object) -> Object:
    """Apply a Client and wait until it is Ready."""
    site.user.apply_client(name, **spec)
    return site.user.wait_ready("Client", name)


async def publishes(client: Connected, *subjects: str) -> set[str]:
    """Those of the subjects that a server takes from a client."""
    return {subject for subject in subjects if await client.may_publish(subject)}


async def hears(client: Connected, *subjects: str) -> set[str]:
    """Those of the subjects that a server lets a client subscribe to."""
    return {subject for subject in subjects if await client.may_subscribe(subject)}


class TestReadOnly:
    async def test_it_asks_for_the_five_lists_and_for_nothing_else(self, plant: Site) -> None:
        status = ready_client(plant, "viewer")["status"]
        lists = {subject.replace("*", "viewer") for subject in LISTS}

        async with connect_as(plant.url, plant.user.creds("viewer", "client"), inbox_prefix="_INBOX_viewer") as client:
            taken = await publishes(
                client,
                *lists,
                "client.viewer.core.v1alpa.list",
                "client.viewer.core.v1alpha.create",
                "client.viewer.core.v1alpha.list.all",
                "client.viewer.other.v1alpha.list",
                "client.viewer",
                "device.weather-01.telemetry",
                "weather-01.set",
                "event.alarm.raised",
                *SYSTEM,
            )
            heard = await hears(client, "_INBOX_viewer.>", "client.>", "device.>", "viewer.>", ">", *FOREIGN_INBOXES)

        assert status["role"] == "client-read-only"
        assert taken == lists
        assert heard == {"_INBOX_viewer.>"}


class TestStandard:
    async def test_it_asks_modules_for_everything_and_speaks_for_no_device(self, plant: Site) -> None:
        status = ready_client(plant, "clerk", accessLevel="Standard")["status"]

        async with connect_as(plant.url, plant.user.creds("clerk", "client"), inbox_prefix="_INBOX_clerk") as client:
            asked = {"client.clerk.core.v1alpha.create", "client.clerk.cmd.v1alpha.send"}
            taken = await publishes(client, *asked, "device.weather-01.telemetry", "weather-01.set", *SYSTEM)
            heard = await hears(client, "_INBOX_clerk.>", "client.>", "weather-01.>", "device.>", *FOREIGN_INBOXES)

        assert status["role"] == "client-standard"
        assert taken == asked
        assert heard == {"_INBOX_clerk.>"}


class TestSwarm:
    async def test_it_is_every_device_at_once_and_no_part_of_the_system(self, plant: Site) -> None:
        seen = ready_client(plant, "swarm", accessLevel="Swarm")

        async with connect_as(plant.url, plant.user.creds("swarm", "client"), inbox_prefix="_INBOX_swarm") as client:
            asked = {"client.swarm.core.v1alpha.list", "device.weather-01.telemetry", "device.weather-02.telemetry"}
            taken = await publishes(client, *asked, "event.alarm.raised", "weather-01.set", *SYSTEM)
            wanted = {"_INBOX_swarm.>", "weather-01.>", "weather-02.set"}
            heard = await hears(client, *wanted, "device.>", "client.>", "$SYS.>", *SYSTEM)

        assert seen["status"]["role"] == "client-swarm"
        assert "reaches every subject by *.>" in condition_of(seen, "Ready")["message"]
        assert taken == asked
        assert heard == wanted


class TestRole:
    async def test_a_client_has_a_role_in_place_of_an_access_level(self, plant: Site) -> None:
        status = ready_client(plant, "as-device", role="device")["status"]

        async with connect_as(plant.url, plant.user.creds("as-device", "client")) as client:
            assert await client.may_publish("device.as-device.telemetry")
            assert not await client.may_publish("client.as-device.core.v1alpha.list")
        assert status["role"] == "device"

    async def test_another_access_level_ends_the_rights_of_the_former(self, plant: Site) -> None:
        ready_client(plant, "demoted", accessLevel="Swarm")
        before = plant.user.creds("demoted", "client")

        async with connect_as(plant.url, before) as client:
            ready_client(plant, "demoted", accessLevel="ReadOnly")
            await client.wait_closed()

        assert await is_refused(plant.url, before)
        async with connect_as(plant.url, plant.user.creds("demoted", "client")) as client:
            assert not await client.may_publish("device.weather-01.telemetry")

    def test_both_are_refused_at_admission(self, plant: Site) -> None:
        with pytest.raises(RequestRefusedError, match="accessLevel or role, not both"):
            plant.user.apply_client("torn", accessLevel="Standard", role="device")

    def test_a_role_the_hub_does_not_have_is_told_with_those_it_has(self, plant: Site) -> None:
        plant.user.apply_client("lost", role="astronaut")

        told = plant.user.wait_reason("Client", "lost", "RoleUnknown")

        assert "client-read-only" in condition_of(told, "Ready")["message"]
        assert plant.user.secret("lost-client-creds") is None


class TestId:
    def test_one_id_is_had_once_whatever_the_kind(self, plant: Site) -> None:
        plant.ready_device("shared-id")

        plant.user.apply_client("shared-id")
        plant.user.apply_module("other-name", moduleId="shared-id")

        for kind, name in (("Client", "shared-id"), ("Module", "other-name")):
            told = plant.user.wait_reason(kind, name, "IdTaken")
            assert condition_of(told, "Stalled")["status"] == "True"
            assert plant.user.secret(f"{name}-{kind.lower()}-creds") is None

        plant.user.delete("Device", "shared-id")
        plant.user.wait_gone("Device", "shared-id")
        heirs = {("Client", "shared-id"), ("Module", "other-name")}
        reasons = wait_until(partial(self.settled, plant, heirs), what="one of both has the id")
        assert sorted(reasons) == ["IdTaken", "Issued"]

    def settled(self, plant: Site, identities: set[tuple[str, str]]) -> list[str]:
        """Why each is Ready or not, once one is."""
        reasons = [condition_of(plant.user.get(*one) or {}, "Ready").get("reason", "") for one in identities]
        return reasons if "Issued" in reasons else []

    async def test_a_client_has_an_id_that_is_not_its_name(self, plant: Site) -> None:
        assert ready_client(plant, "object", clientId="Person_7", accessLevel="Standard")["status"]["id"] == "Person_7"

        async with connect_as(plant.url, plant.user.creds("object", "client"), inbox_prefix="_INBOX_Person_7") as one:
            assert await hears(one, "_INBOX_Person_7.>", "_INBOX_object.>") == {"_INBOX_Person_7.>"}


async def test_a_deleted_client_is_cut_off_and_its_creds_are_refused(plant: Site) -> None:
    ready_client(plant, "left", accessLevel="Swarm")
    creds = plant.user.creds("left", "client")

    async with connect_as(plant.url, creds) as client:
        plant.user.delete("Client", "left")
        await client.wait_closed()

    plant.user.wait_gone("Client", "left")
    plant.user.wait_gone("Secret", "left-client-creds")
    assert await is_refused(plant.url, creds)


async def test_a_suspended_client_is_refused_until_it_is_let_in_again(plant: Site) -> None:
    ready_client(plant, "on-leave")
    creds = plant.user.creds("on-leave", "client")

    plant.user.apply_client("on-leave", suspended=True)
    plant.user.wait_reason("Client", "on-leave", "Suspended")
    assert await is_refused(plant.url, creds)

    ready_client(plant, "on-leave", suspended=False)
    assert await is_refused(plant.url, creds)
    async with connect_as(plant.url, plant.user.creds("on-leave", "client")) as client:
        assert await client.may_publish("client.on-leave.core.v1alpha.list")
