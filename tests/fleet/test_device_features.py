"""What a Device's spec can say, as servers take it: each right by its use, each limit by an attempt beyond it."""

import os
from contextlib import suppress
from typing import Any

import nats.errors
import pytest
from fleet.conftest import Site

from iotsec.nats import creds as creds_files
from iotsec.nats.keys import KeyType, SigningKey
from testbed.api import RequestRefusedError
from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.user import condition_of
from testbed.waiting import wait_until_async


def new_key() -> SigningKey:
    """The key pair a device made for itself."""
    return SigningKey.generate(KeyType.USER, os.urandom(32))


def own_creds(site: Site, device: str, key: SigningKey) -> str:
    """What a device puts together from the JWT in its Secret and the seed that never left it."""
    token = site.user.wait_secret(f"{device}-device-creds")["user.jwt"].decode()
    return creds_files.format_creds(token, key).decode()


class TestPublicKey:
    async def test_a_device_logs_in_with_a_seed_the_cluster_never_saw(self, plant: Site) -> None:
        key = new_key()
        status = plant.ready_device("own-key", publicKey=key.public)["status"]

        assert status["publicKey"] == key.public
        assert plant.user.wait_secret("own-key-device-creds").keys() == {"user.jwt", "inbox-prefix"}
        async with connect_as(plant.url, own_creds(plant, "own-key", key)) as device:
            assert await device.may_publish("device.own-key.telemetry")

    async def test_the_jwt_is_worth_nothing_without_its_seed(self, plant: Site) -> None:
        key, thief = new_key(), new_key()
        plant.ready_device("stolen-jwt", publicKey=key.public)
        stolen = own_creds(plant, "stolen-jwt", key).replace(key.seed.reveal().decode(), thief.seed.reveal().decode())

        assert await is_refused(plant.url, stolen)

    async def test_a_replaced_key_is_refused_at_once(self, plant: Site) -> None:
        old, new = new_key(), new_key()
        plant.ready_device("next-key", publicKey=old.public)
        before = own_creds(plant, "next-key", old)

        async with connect_as(plant.url, before) as device:
            plant.ready_device("next-key", publicKey=new.public)
            await device.wait_closed()

        assert await is_refused(plant.url, before)
        await wait_accepted(plant.url, own_creds(plant, "next-key", new))

    async def test_a_device_made_again_with_the_same_key_is_let_in_and_its_old_jwt_is_not(self, plant: Site) -> None:
        key = new_key()
        plant.ready_device("reborn", publicKey=key.public)
        before = own_creds(plant, "reborn", key)
        plant.user.delete("Device", "reborn")
        plant.user.wait_gone("Device", "reborn")
        plant.user.wait_gone("Secret", "reborn-device-creds")

        plant.ready_device("reborn", publicKey=key.public)

        assert await is_refused(plant.url, before)
        await wait_accepted(plant.url, own_creds(plant, "reborn", key))

    async def test_a_key_that_was_given_up_for_another_may_come_back(self, plant: Site) -> None:
        first, second = new_key(), new_key()
        for key in (first, second, first):
            plant.ready_device("and-back", publicKey=key.public)

        await wait_accepted(plant.url, own_creds(plant, "and-back", first))

    async def test_a_device_takes_over_its_key_and_gives_it_back(self, plant: Site) -> None:
        plant.ready_device("takes-over")
        made_for_it = plant.user.creds("takes-over")
        key = new_key()

        plant.ready_device("takes-over", publicKey=key.public)
        assert plant.user.wait_secret("takes-over-device-creds").keys() == {"user.jwt", "inbox-prefix"}
        assert await is_refused(plant.url, made_for_it)
        its_own = own_creds(plant, "takes-over", key)

        plant.ready_device("takes-over")
        assert await is_refused(plant.url, its_own)
        assert await is_refused(plant.url, made_for_it)
        await wait_accepted(plant.url, plant.user.creds("takes-over"))


class TestPermissions:
    async def test_extra_subjects_are_allowed_and_denials_are_kept(self, plant: Site) -> None:
        permissions = {
            "publish": {"allow": ["event.{id}.>"], "deny": ["device.{id}.secret"]},
            "subscribe": {"allow": ["news.>"], "deny": ["news.secret"]},
        }
        plant.ready_device("extra", permissions=permissions)

        async with connect_as(plant.url, plant.user.creds("extra"), inbox_prefix="_INBOX_extra") as device:
            for subject in ("device.extra.telemetry", "event.extra.alarm"):
                assert await device.may_publish(subject)
            for subject in ("device.extra.secret", "event.other.alarm", "event.extra", "news.x"):
                assert not await device.may_publish(subject)
            for subject in ("extra.>", "news.weather", "_INBOX_extra.>"):
                assert await device.may_subscribe(subject)
            for subject in ("news.secret", "other.>", "_INBOX.>", "_INBOX_other.>"):
                assert not await device.may_subscribe(subject)

    async def test_a_queue_group_is_only_what_it_says(self, plant: Site) -> None:
        plant.ready_device("worker", permissions={"subscribe": {"allow": ["work.> pool", "jobs.{id} team.*"]}})

        async with connect_as(plant.url, plant.user.creds("worker")) as device:
            assert await device.may_subscribe("work.cut", "pool")
            assert await device.may_subscribe("jobs.worker", "team.a")
            assert await device.may_subscribe("worker.>")
            assert not await device.may_subscribe("work.cut")
            assert not await device.may_subscribe("work.cut", "other")
            assert not await device.may_subscribe("jobs.other", "team.a")

    async def test_a_wildcard_in_front_does_not_reach_the_systems_subjects(self, plant: Site) -> None:
        permissions = {"publish": {"allow": ["*.REQ.>"]}, "subscribe": {"allow": ["*.REQ.>"]}}
        plant.ready_device("nosy", permissions=permissions)

        async with connect_as(plant.url, plant.user.creds("nosy")) as device:
            assert await device.may_publish("a.REQ.b")
            assert await device.may_subscribe("a.REQ.b")
            for system in ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ"):
                assert not await device.may_publish(system)
                assert not await device.may_subscribe(system)

    @pytest.mark.parametrize("subject", [">", "*.>", "$SYS.>", "$SYS.REQ.USER.INFO", "a.{id}b", "a..b", "a b c"])
    def test_what_must_not_be_granted_is_refused_at_admission(self, plant: Site, subject: str) -> None:
        for direction in ("publish", "subscribe"):
            with pytest.raises(RequestRefusedError):
                plant.user.apply_device("greedy", permissions={direction: {"allow": [subject]}})


class TestRequests:
    async def test_a_device_answers_requests_whoever_asks_and_nobody_else(self, plant: Site) -> None:
        plant.ready_device("answers")
        plant.ready_device("asks", permissions={"publish": {"allow": ["answers.>"]}})

        async with (
            connect_as(plant.url, plant.user.creds("answers")) as answers,
            connect_as(plant.url, plant.user.creds("asks"), inbox_prefix="_INBOX_asks") as asks,
        ):

            async def answer(message: Any) -> None:
                await message.respond(b"21 degrees")

            await answers.client.subscribe("answers.temperature", cb=answer)
            await answers.client.flush()

            reply = await asks.client.request("answers.temperature", b"?", timeout=5)

            assert reply.data == b"21 degrees"
            assert not await answers.may_publish(f"_INBOX_asks.{'x' * 22}")


class TestConnectionTypes:
    async def test_a_device_for_websocket_is_refused_over_tcp(self, plant: Site) -> None:
        plant.ready_device("browser", connectionTypes=["WEBSOCKET"])
        creds = plant.user.creds("browser")

        assert await is_refused(plant.url, creds)
        async with connect_as(plant.server.websocket_url, creds) as device:
            assert await device.may_publish("device.browser.telemetry")

    async def test_a_device_for_tcp_is_refused_over_websocket(self, plant: Site) -> None:
        plant.ready_device("plain", connectionTypes=["STANDARD"])
        creds = plant.user.creds("plain")

        await wait_accepted(plant.url, creds)
        assert await is_refused(plant.server.websocket_url, creds)


class TestRoles:
    async def test_device_any_speaks_and_listens_for_all_devices_and_says_so(self, plant: Site) -> None:
        device = plant.ready_device("gateway", role="device-any")
        assert "*.>" in condition_of(device, "Ready")["message"]

        async with connect_as(plant.url, plant.user.creds("gateway")) as gateway:
            assert await gateway.may_publish("device.pump-07.telemetry")
            assert await gateway.may_subscribe("pump-07.>")
            for foreign in ("event.pump-07.alarm", "client.x", "$SYS.REQ.SERVER.PING.CONNZ"):
                assert not await gateway.may_publish(foreign)
            for foreign in ("$SYS.>", ">"):
                assert not await gateway.may_subscribe(foreign)

    async def test_the_device_id_counts_and_not_the_objects_name(self, plant: Site) -> None:
        plant.ready_device("object-name", deviceId="Pump_07")

        async with connect_as(plant.url, plant.user.creds("object-name"), inbox_prefix="_INBOX_Pump_07") as device:
            assert await device.may_publish("device.Pump_07.telemetry")
            assert await device.may_subscribe("_INBOX_Pump_07.>")
            assert not await device.may_publish("device.object-name.telemetry")
            assert not await device.may_subscribe("object-name.>")

    @pytest.mark.parametrize("device_id", ["device", "client", "event", "_INBOX", "_x", "a.b", "*", ">", "{id}"])
    def test_an_id_that_would_own_more_than_itself_is_refused_at_admission(self, plant: Site, device_id: str) -> None:
        with pytest.raises(RequestRefusedError, match="deviceId"):
            plant.user.apply_device("greedy", deviceId=device_id)

    @pytest.mark.parametrize("name", ["device", "client", "event"])
    def test_a_name_that_would_own_more_than_itself_needs_an_id(self, plant: Site, name: str) -> None:
        with pytest.raises(RequestRefusedError, match="deviceId"):
            plant.user.apply_device(name)

        plant.user.apply_device(name, deviceId=f"{name}-1")
        plant.user.wait_ready("Device", name)


class TestInbox:
    async def test_inboxes_are_private_until_the_hub_says_otherwise_and_back(self, site: Site) -> None:
        site.ready_device("weather-01")
        site.ready_device("special", permissions={"publish": {"allow": ["event.{id}"]}})
        assert await self.inboxes(site, "weather-01") == {"_INBOX_weather-01"}

        site.user.apply_hub("plant", [site.url], inbox="Shared")
        await self.wait_inboxes(site, "weather-01", {"_INBOX"})
        await self.wait_inboxes(site, "special", {"_INBOX"})

        site.user.apply_hub("plant", [site.url], inbox="Private")
        await self.wait_inboxes(site, "weather-01", {"_INBOX_weather-01"})
        await self.wait_inboxes(site, "special", {"_INBOX_special"})

    async def wait_inboxes(self, site: Site, name: str, wanted: set[str]) -> None:
        """Wait until the Secret tells the device of its inbox and the servers keep it to that one."""
        (prefix,) = wanted
        secret = f"{name}-device-creds"

        async def kept() -> bool:
            told = site.user.wait_secret(secret)["inbox-prefix"] == prefix.encode()
            return told and await self.inboxes(site, name) == wanted

        await wait_until_async(kept, within=15)
        site.user.wait_ready("Device", name)

    async def inboxes(self, site: Site, name: str) -> set[str]:
        prefixes = ("_INBOX", f"_INBOX_{name}", "_INBOX_other")
        with suppress(nats.errors.Error):  # it may be cut off in this moment
            async with connect_as(site.url, site.user.creds(name)) as device:
                return {prefix for prefix in prefixes if await device.may_subscribe(f"{prefix}.>")}
        return set()
