"""Roles of a Hub's own: what they give, how much of it, and what an edit of one costs everybody else."""

import json
from typing import Any

import pytest
from fleet.conftest import Site
from fleet.key_holder import KeyHolder, stored_jwt

from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, ScopedKey
from testbed.api import RequestRefusedError
from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.operator import Operator
from testbed.user import condition_of
from testbed.waiting import wait_until, wait_until_async

GATEWAY = {
    "name": "gateway",
    "publish": {"allow": ["device.{id}.>", "event.gateway.{id}"], "deny": ["device.{id}.secret"]},
    "subscribe": {"allow": ["{id}.>"]},
    "allowResponses": {"max": 2, "ttl": "3s"},
    "limits": {"subscriptions": 3, "payload": "1Ki"},
}
LISTENER = {"name": "listener", "subscribe": {"allow": ["news.>"]}}
SPEAKER = {"name": "speaker", "publish": {"allow": ["news.{id}"]}}


def set_roles(site: Site, *roles: dict[str, Any]) -> None:
    """Give the Hub these roles, and wait until every server knows them."""
    site.user.apply_hub("plant", [site.url], roles=list(roles))
    site.user.wait_ready("Hub", "plant")


def pushes(operator: Operator, site: Site) -> int:
    """How often the account's JWT was pushed so far."""
    account = KeyHolder(site.user).account
    lines = (json.loads(line) for line in operator.log.read_text().splitlines() if '"account pushed"' in line)
    return sum(line["account"] == account for line in lines)


def versions(site: Site, *devices: str) -> dict[str, str]:
    """What tells every write to Devices and their Secrets."""
    found = {}
    for name in devices:
        for kind, of in (("Device", name), ("Secret", f"{name}-device-creds")):
            there = site.user.get(kind, of)
            assert there is not None
            found[f"{kind} {of}"] = there["metadata"]["resourceVersion"]
    return found


class TestGateway:
    async def test_it_is_held_to_its_subjects(self, site: Site) -> None:
        set_roles(site, GATEWAY)
        site.ready_device("gw-1", role="gateway")

        async with connect_as(site.url, site.user.creds("gw-1"), inbox_prefix="_INBOX_gw-1") as gateway:
            for subject in ("device.gw-1.telemetry", "event.gateway.gw-1"):
                assert await gateway.may_publish(subject)
            for subject in ("device.gw-1.secret", "device.gw-2.telemetry", "event.gateway.gw-2", "event.gateway"):
                assert not await gateway.may_publish(subject)
            for subject in ("gw-2.>", "device.>", "_INBOX.>"):
                assert not await gateway.may_subscribe(subject)
            assert await gateway.may_subscribe("gw-1.>")

    async def test_a_message_beyond_its_payload_ends_the_connection(self, site: Site) -> None:
        set_roles(site, GATEWAY)
        site.ready_device("gw-1", role="gateway")

        async with connect_as(site.url, site.user.creds("gw-1")) as gateway:
            assert await gateway.may_publish("device.gw-1.telemetry", b"x" * 1024)
            await gateway.client.publish("device.gw-1.telemetry", b"x" * 1025)
            await gateway.wait_closed()

        assert "maximum payload" in str(gateway.client.last_error).lower()

    async def test_it_has_no_more_subscriptions_than_it_may(self, site: Site) -> None:
        set_roles(site, GATEWAY)
        site.ready_device("gw-1", role="gateway")

        async with connect_as(site.url, site.user.creds("gw-1")) as gateway:
            for number in range(3):
                assert await gateway.may_subscribe(f"gw-1.{number}")
            await gateway.client.subscribe("gw-1.beyond")
            await gateway.wait_closed()  # nats-py ends it: this is an error it does not know

        assert "maximum subscriptions" in str(gateway.client.last_error).lower()

    async def test_it_answers_a_request_as_often_as_it_may(self, site: Site) -> None:
        set_roles(site, GATEWAY)
        site.ready_device("gw-1", role="gateway")
        service = KeyHolder(site.user).user_creds()

        async with (
            connect_as(site.url, site.user.creds("gw-1")) as gateway,
            connect_as(site.url, service) as asking,
        ):
            subscription = await gateway.client.subscribe("gw-1.question")
            for _ in range(2):  # nats-py's ping overtakes what is still in its buffer
                await gateway.client.flush()
            await asking.client.publish("gw-1.question", b"?", reply="answers.here")
            request = await subscription.next_msg(5)

            allowed = [await gateway.may_publish(request.reply) for _ in range(3)]
            unasked = await gateway.may_publish("answers.elsewhere")

        assert allowed == [True, True, False]
        assert not unasked

    async def test_a_role_without_answers_gives_none(self, site: Site) -> None:
        silent = {key: value for key, value in GATEWAY.items() if key != "allowResponses"}
        set_roles(site, silent)
        site.ready_device("gw-1", role="gateway")

        async with (
            connect_as(site.url, site.user.creds("gw-1")) as gateway,
            connect_as(site.url, KeyHolder(site.user).user_creds()) as asking,
        ):
            subscription = await gateway.client.subscribe("gw-1.question")
            for _ in range(2):  # nats-py's ping overtakes what is still in its buffer
                await gateway.client.flush()
            await asking.client.publish("gw-1.question", b"?", reply="answers.here")

            assert not await gateway.may_publish((await subscription.next_msg(5)).reply)

    async def test_it_connects_from_its_networks_alone(self, site: Site) -> None:
        near = {**LISTENER, "name": "near", "limits": {"sourceCIDRs": ["127.0.0.0/8"]}}
        far = {**LISTENER, "name": "far", "limits": {"sourceCIDRs": ["10.0.0.0/8"]}}
        set_roles(site, near, far)
        site.ready_device("near-1", role="near")
        site.ready_device("far-1", role="far")

        await wait_accepted(site.url, site.user.creds("near-1"))
        assert await is_refused(site.url, site.user.creds("far-1"))

    async def test_it_connects_in_its_ways_alone(self, site: Site) -> None:
        set_roles(site, {**LISTENER, "connectionTypes": ["WEBSOCKET"]})
        site.ready_device("page", role="listener")

        assert await is_refused(site.url, site.user.creds("page"))
        async with connect_as(site.server.websocket_url, site.user.creds("page")) as page:
            assert await page.may_subscribe("news.weather")

        site.user.apply_device("page", role="listener", connectionTypes=["STANDARD"])
        told = site.user.wait_reason("Device", "page", "ConnectionTypeRefused")
        assert "WEBSOCKET" in condition_of(told, "Ready")["message"]

    async def test_all_of_the_pattern_language_is_held_to_by_a_device_that_is_signed_unscoped(self, site: Site) -> None:
        set_roles(site, GATEWAY)
        site.ready_device("gw-1", role="gateway", permissions={"publish": {"allow": ["event.{id}"]}})

        async with connect_as(site.url, site.user.creds("gw-1")) as gateway:
            assert await gateway.may_publish("event.gw-1")
            assert not await gateway.may_publish("device.gw-1.secret")
            await gateway.client.publish("device.gw-1.telemetry", b"x" * 1025)
            await gateway.wait_closed()


class TestEmptyLists:
    async def test_a_role_that_only_hears_says_nothing(self, site: Site) -> None:
        answering = {**LISTENER, "name": "answering", "publish": {"deny": ["x"]}, "allowResponses": {"max": 1}}
        set_roles(site, LISTENER, answering)
        site.ready_device("quiet", role="listener")
        site.ready_device("quiet-too", role="listener", permissions={"subscribe": {"allow": ["more.>"]}})
        site.ready_device("answers", role="answering")

        for name in ("quiet", "quiet-too", "answers"):
            async with connect_as(site.url, site.user.creds(name)) as quiet:
                assert await quiet.may_subscribe("news.weather")
                for subject in ("news.weather", f"device.{name}.telemetry", "$SYS.REQ.USER.INFO", "anything"):
                    assert not await quiet.may_publish(subject)

    async def test_what_an_identity_may_say_of_its_own_is_all_it_says(self, site: Site) -> None:
        set_roles(site, LISTENER)
        site.ready_device("quiet-but", role="listener", permissions={"publish": {"allow": ["event.{id}"]}})

        async with connect_as(site.url, site.user.creds("quiet-but")) as device:
            assert await device.may_publish("event.quiet-but")
            for subject in ("event.other", "news.weather", "anything"):
                assert not await device.may_publish(subject)

    async def test_a_role_that_only_speaks_hears_its_own_inbox_alone(self, site: Site) -> None:
        set_roles(site, SPEAKER)
        site.ready_device("loud", role="speaker")

        async with connect_as(site.url, site.user.creds("loud"), inbox_prefix="_INBOX_loud") as loud:
            assert await loud.may_publish("news.loud")
            assert await loud.may_subscribe("_INBOX_loud.>")
            for subject in ("news.>", "loud.>", "anything", "_INBOX.>", ">", "$SYS.>"):
                assert not await loud.may_subscribe(subject)

    def test_a_role_of_nothing_is_refused_at_admission(self, site: Site) -> None:
        with pytest.raises(RequestRefusedError, match="must allow something"):
            site.user.apply_hub("plant", [site.url], roles=[{"name": "nothing", "publish": {"deny": ["a"]}}])

    @pytest.mark.parametrize("subject", [">", "*.>", "$SYS.>", "$SYS.REQ.USER.INFO"])
    def test_a_role_of_everything_or_of_the_systems_is_refused_at_admission(self, plant: Site, subject: str) -> None:
        for direction in ("publish", "subscribe"):
            with pytest.raises(RequestRefusedError):
                plant.user.apply_hub("greedy", [plant.url], roles=[{"name": "greedy", direction: {"allow": [subject]}}])

    async def test_a_role_that_says_so_reaches_everything_but_the_system_and_it_is_told(self, site: Site) -> None:
        broad = {
            "name": "broad",
            "allowBroad": True,
            "publish": {"allow": [">"]},
            "subscribe": {"allow": [">"]},
        }
        set_roles(site, broad)
        told = site.ready_device("everywhere", role="broad")

        assert "reaches every subject by >" in condition_of(told, "Ready")["message"]
        async with connect_as(site.url, site.user.creds("everywhere")) as device:
            assert await device.may_publish("whatever.it.is")
            assert await device.may_subscribe("whatever.>")
            for subject in ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.USER.INFO"):
                assert not await device.may_publish(subject)
                assert not await device.may_subscribe(subject)


class TestQueueGroup:
    async def test_a_role_with_a_queue_group_hears_in_that_group_alone(self, site: Site) -> None:
        workers = {"name": "worker", "subscribe": {"allow": ["work.> pool", "jobs.{id} team.*"]}}
        set_roles(site, workers)
        site.ready_device("hand", role="worker")

        async with connect_as(site.url, site.user.creds("hand")) as hand:
            assert await hand.may_subscribe("work.cut", "pool")
            assert await hand.may_subscribe("jobs.hand", "team.a")
            assert not await hand.may_subscribe("work.cut")
            assert not await hand.may_subscribe("work.cut", "other")
            assert not await hand.may_subscribe("jobs.other", "team.a")
            assert not await hand.may_publish("work.cut")

    async def test_an_edit_of_such_a_role_reaches_who_has_it(self, site: Site) -> None:
        set_roles(site, {"name": "worker", "subscribe": {"allow": ["work.> pool"]}})
        site.ready_device("hand", role="worker")
        before = site.user.creds("hand")

        async with connect_as(site.url, before) as hand:
            set_roles(site, {"name": "worker", "subscribe": {"allow": ["work.> crew"]}})
            await hand.wait_closed()

        assert await is_refused(site.url, before)
        site.user.wait_ready("Device", "hand")
        async with connect_as(site.url, site.user.creds("hand")) as hand:
            assert await hand.may_subscribe("work.cut", "crew")
            assert not await hand.may_subscribe("work.cut", "pool")


class TestEdits:
    async def test_an_edit_is_one_push_no_write_to_anybody_and_concerns_its_users_alone(
        self, site: Site, operator: Operator
    ) -> None:
        set_roles(site, GATEWAY, LISTENER)
        names = ("gw-1", "gw-2", "weather-01", "quiet")
        for name, role in zip(names, ("gateway", "gateway", "device", "listener"), strict=True):
            site.ready_device(name, role=role)
        creds = {name: site.user.creds(name) for name in names}
        before, pushed = versions(site, *names), pushes(operator, site)

        async with (
            connect_as(site.url, creds["gw-1"]) as gateway,
            connect_as(site.url, creds["weather-01"]) as device,
            connect_as(site.url, creds["quiet"]) as listener,
        ):
            assert not await gateway.may_publish("alarm.gw-1")
            edited = {**GATEWAY, "publish": {"allow": ["alarm.{id}"]}}
            set_roles(site, edited, LISTENER)
            await gateway.wait_closed()

            for name in ("gw-1", "gw-2"):
                async with connect_as(site.url, creds[name]) as again:
                    assert await again.may_publish(f"alarm.{name}")
                    assert not await again.may_publish(f"device.{name}.telemetry")
            assert await device.may_publish("device.weather-01.telemetry")
            assert await listener.may_subscribe("news.weather")
            assert not device.closed.is_set()
            assert not listener.closed.is_set()

        assert pushes(operator, site) == pushed + 1
        assert versions(site, *names) == before

    async def test_a_role_more_disconnects_nobody(self, site: Site, operator: Operator) -> None:
        set_roles(site, GATEWAY)
        site.ready_device("gw-1", role="gateway")
        site.ready_device("weather-01")
        before, pushed = versions(site, "gw-1", "weather-01"), pushes(operator, site)

        async with (
            connect_as(site.url, site.user.creds("gw-1")) as gateway,
            connect_as(site.url, site.user.creds("weather-01")) as device,
        ):
            set_roles(site, GATEWAY, LISTENER)
            site.ready_device("quiet", role="listener")

            assert await gateway.may_publish("device.gw-1.telemetry")
            assert await device.may_publish("device.weather-01.telemetry")

        assert pushes(operator, site) == pushed + 1
        assert versions(site, "gw-1", "weather-01") == before

    def test_another_order_or_description_pushes_nothing(self, site: Site, operator: Operator) -> None:
        set_roles(site, GATEWAY, LISTENER)
        site.ready_device("gw-1", role="gateway")
        before, pushed = versions(site, "gw-1"), pushes(operator, site)

        publish = {"allow": list(reversed(GATEWAY["publish"]["allow"])), "deny": GATEWAY["publish"]["deny"]}  # type: ignore[index]
        set_roles(site, LISTENER, {**GATEWAY, "publish": publish})
        set_roles(site, {**LISTENER, "description": "for the screens in the hall"}, GATEWAY)

        assert pushes(operator, site) == pushed
        assert versions(site, "gw-1") == before

    async def test_a_role_of_a_presets_name_takes_its_place_and_gives_it_back(self, site: Site) -> None:
        site.ready_device("weather-01")
        creds = site.user.creds("weather-01")

        async with connect_as(site.url, creds) as device:
            assert await device.may_publish("device.weather-01.telemetry")
            set_roles(site, {"name": "device", "publish": {"allow": ["plant.{id}.>"]}})
            await device.wait_closed()
        async with connect_as(site.url, creds) as device:
            assert await device.may_publish("plant.weather-01.telemetry")
            assert not await device.may_publish("device.weather-01.telemetry")
            assert not await device.may_subscribe("weather-01.>")

        set_roles(site)
        async with connect_as(site.url, creds) as device:
            assert await device.may_publish("device.weather-01.telemetry")
            assert not await device.may_publish("plant.weather-01.telemetry")

    async def test_a_changed_limit_holds_for_those_who_are_connected(self, site: Site) -> None:
        set_roles(site, LISTENER)
        site.ready_device("quiet", role="listener")

        async with connect_as(site.url, site.user.creds("quiet")) as listener:
            set_roles(site, {**LISTENER, "limits": {"sourceCIDRs": ["10.0.0.0/8"]}})
            await listener.wait_closed()

        assert await is_refused(site.url, site.user.creds("quiet"))


class TestRemoval:
    async def test_a_role_that_is_in_use_stays_and_the_hub_names_its_users(self, site: Site) -> None:
        set_roles(site, GATEWAY, LISTENER)
        site.ready_device("gw-1", role="gateway")
        creds = site.user.creds("gw-1")

        site.user.apply_hub("plant", [site.url], roles=[LISTENER])
        told = site.user.wait_reason("Hub", "plant", "RoleInUse")

        message = condition_of(told, "Ready")["message"]
        assert "gateway" in message
        assert "gw-1" in message
        async with connect_as(site.url, creds) as gateway:
            assert await gateway.may_publish("device.gw-1.telemetry")

    async def test_it_goes_with_its_last_user_and_nobody_new_gets_it(self, site: Site) -> None:
        set_roles(site, GATEWAY)
        site.ready_device("gw-1", role="gateway")
        before = site.user.creds("gw-1")
        site.user.apply_hub("plant", [site.url])
        site.user.wait_reason("Hub", "plant", "RoleInUse")

        site.user.apply_device("gw-2", role="gateway")
        site.user.wait_reason("Device", "gw-2", "RoleUnknown")
        assert site.user.secret("gw-2-device-creds") is None
        site.user.delete("Device", "gw-2")
        site.ready_device("gw-1", role="device")

        site.user.wait_ready("Hub", "plant")
        wait_until(lambda: "gateway" not in signed_roles(site), what="no key signs for it any more")
        assert await is_refused(site.url, before)
        await wait_until_async(lambda: publishes(site, "gw-1", "device.gw-1.telemetry"))


def signed_roles(site: Site) -> set[str]:
    """The roles that some key may sign for, as the servers know the account."""
    claims = jwt.decode(stored_jwt(site.server, KeyHolder(site.user).account)).claims
    assert isinstance(claims, AccountClaims)
    return {key.role for key in claims.signing_keys if isinstance(key, ScopedKey)}


async def publishes(site: Site, name: str, subject: str) -> bool:
    """Whether a Device may publish."""
    async with connect_as(site.url, site.user.creds(name)) as device:
        return await device.may_publish(subject)
