"""What an edit of a role costs: one push, the connections of its users, and nothing of anybody else's."""

import json

from fleet.conftest import Site
from fleet.key_holder import KeyHolder, stored_jwt
from fleet.test_roles import GATEWAY, LISTENER, set_roles

from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, ScopedKey
from testbed.clients import connect_as, is_refused
from testbed.operator import Operator
from testbed.user import condition_of
from testbed.waiting import wait_until, wait_until_async


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
