"""Roles of a Hub's own: what they give, how much of it, and what they do not give."""

from typing import Any

import pytest
from fleet.conftest import Site
from fleet.key_holder import KeyHolder

from testbed.api import RequestRefusedError
from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.user import condition_of

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
