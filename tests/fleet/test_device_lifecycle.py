"""A Device from the first apply to the last goodbye."""

from contextlib import suppress

import nats.errors
import pytest
from fleet.conftest import Site

from testbed.clients import connect_as, is_refused, wait_accepted


async def test_a_device_may_do_what_its_role_says_and_nothing_else(site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")

    async with connect_as(site.url, site.user.creds("weather-01"), inbox_prefix="_INBOX_weather-01") as device:
        assert await device.may_publish("device.weather-01.telemetry")
        assert await device.may_subscribe("weather-01.>")
        assert await device.may_subscribe("_INBOX_weather-01.>")
        for foreign in ("device.pump-07.telemetry", "event.alarm", "pump-07.commands", "$SYS.REQ.SERVER.PING.CONNZ"):
            assert not await device.may_publish(foreign)
        for foreign in ("pump-07.>", "device.>", "_INBOX_pump-07.>", "_INBOX.>", "$SYS.>", ">", "*.>"):
            assert not await device.may_subscribe(foreign)


async def test_a_deleted_device_is_cut_off_and_its_credentials_are_refused(site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    creds = site.user.creds("weather-01")

    async with connect_as(site.url, creds) as device:
        site.user.delete("Device", "weather-01")
        await device.wait_closed()

    site.user.wait_gone("Device", "weather-01")
    assert await is_refused(site.url, creds)


async def test_a_suspended_device_is_cut_off_and_comes_back_with_new_credentials(site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    old = site.user.creds("weather-01")

    async with connect_as(site.url, old) as device:
        site.user.apply_device("weather-01", suspended=True)
        await device.wait_closed()
    site.user.wait_reason("Device", "weather-01", "Suspended")
    assert await is_refused(site.url, old)

    site.user.apply_device("weather-01", suspended=False)
    site.user.wait_ready("Device", "weather-01")
    await wait_accepted(site.url, site.user.creds("weather-01"))
    assert await is_refused(site.url, old)


@pytest.mark.parametrize(
    "change",
    [
        {"deviceId": "weather-02"},
        {"role": "device-any"},
        {"permissions": {"publish": {"allow": ["event.{id}"]}}},
        {"connectionTypes": ["STANDARD"]},
        {"rotation": {"jwt": {"duration": "48h"}}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_changed_spec_refuses_the_superseded_jwt_on_live_connections(
    site: Site, change: dict[str, object]
) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    old = site.user.creds("weather-01")

    async with connect_as(site.url, old) as device:
        site.user.apply_device("weather-01", **change)
        await device.wait_closed()
    site.user.wait_ready("Device", "weather-01")

    assert await is_refused(site.url, old)
    await wait_accepted(site.url, site.user.creds("weather-01"))


@pytest.mark.parametrize(
    ("spec", "listens", "own"),
    [
        ({"role": "device-any"}, "*.>", "device.pump-07.x"),
        (
            {"permissions": {"publish": {"allow": ["loop.{id}"]}, "subscribe": {"allow": ["loop.{id}"]}}},
            "loop.weather-01",
            "loop.weather-01",
        ),
    ],
    ids=["device-any", "permissions"],
)
async def test_nobody_reaches_the_system_by_answering_himself(
    site: Site, spec: dict[str, object], listens: str, own: str
) -> None:
    site.user.apply_device("weather-01", **spec)
    site.user.wait_ready("Device", "weather-01")
    connections = "$SYS.REQ.SERVER.PING.CONNZ"

    async with connect_as(site.url, site.user.creds("weather-01")) as device:
        heard = await device.client.subscribe(listens)
        await device.client.publish(own, b"x", reply=connections)
        with suppress(nats.errors.TimeoutError):
            await heard.next_msg(timeout=1)

        assert not await device.may_publish(connections, b"")
