"""What an identity is granted: who signs it, what its JWT says, and when that is something else than before."""

from dataclasses import replace
from typing import Any

import pytest
from decide.key_material import signers, user_key
from decide.world import World

from iotsec.decide.grant import Grant, grant
from iotsec.decide.refusal import RefusedError
from iotsec.decide.views import AccountView, HubView
from iotsec.nats.keys import KeyType, SigningKey

QUEUE = {"name": "worker", "subscribe": {"allow": ["work.> pool"]}}
SILENT = {"name": "silent", "subscribe": {"allow": ["news.>"]}}


def granted(world: World, hub: HubView | None = None) -> Grant:
    """What the world's Device is granted."""
    return grant(world.identity(), hub or world.view(), world.observed())


def refusal(world: World, hub: HubView | None = None) -> RefusedError:
    """Why it is granted nothing."""
    with pytest.raises(RefusedError) as caught:
        granted(world, hub)
    return caught.value


def with_roles(world: World, *roles: dict[str, Any]) -> None:
    """Give the Hub roles of its own, with no keys yet."""
    world.hub["roles"] = list(roles)


class TestSigner:
    def test_a_role_is_signed_for_by_its_own_key_and_the_jwt_says_nothing_else(self, world: World) -> None:
        found = granted(world)

        assert found.signers == world.keys["iot"].scoped["device"]
        assert found.claims.limits is None

    @pytest.mark.parametrize(
        "own",
        [{"permissions": {"publish": {"allow": ["event.{id}"]}}}, {"connectionTypes": ["WEBSOCKET"]}],
        ids=lambda own: next(iter(own)),
    )
    def test_an_identity_with_anything_of_its_own_is_signed_with_all_written_out(
        self, world: World, own: dict[str, Any]
    ) -> None:
        world.change(**own)

        found = granted(world)

        assert found.signers == world.keys["iot"].unscoped
        assert found.claims.limits is not None
        assert "device.weather-01.>" in found.claims.limits.permissions.publish_allow
        assert not any("{" in entry for entry in found.claims.limits.permissions.subscribe_allow)

    def test_a_role_with_a_queue_group_is_written_out_too(self, world: World) -> None:
        with_roles(world, QUEUE)
        world.change(role="worker")

        found = granted(world)

        assert found.signers == world.keys["iot"].unscoped
        assert found.claims.limits is not None
        assert "work.> pool" in found.claims.limits.permissions.subscribe_allow

    def test_a_role_whose_key_is_not_made_yet_is_waited_for(self, world: World) -> None:
        with_roles(world, SILENT)
        world.change(role="silent")

        refused = refusal(world)

        assert (refused.reason, refused.stalled) == ("HubNotReady", False)

    def test_the_newest_key_signs_that_every_server_knows(self, issued: World) -> None:
        keys = issued.keys["iot"]
        newest = SigningKey.generate(KeyType.ACCOUNT, next(issued.entropy))
        both = (*keys.scoped["device"], newest)
        issued.keys["iot"] = replace(keys, scoped={**keys.scoped, "device": both})

        assert granted(issued).signer == both[0]
        issued.signers_live["iot"] = signers(issued.keys["iot"])
        assert granted(issued).signer == newest
        assert granted(issued).signed_by(both[0].public) == both[0]
        assert granted(issued).signed_by("A") is None


class TestSame:
    """An equal digest means that what was issued stays as it is."""

    @pytest.mark.parametrize(
        "change",
        [
            {"rotation": {"keys": {"duration": "24h"}}},
            {"rotation": {"jwt": {"renewBefore": "24h"}}},
            {"rotation": {"windows": [{"cron": "0 2 * * *", "duration": "1h"}]}},
            {"secretName": "elsewhere"},
            {"suspended": True},
            {"role": "device"},
        ],
        ids=str,
    )
    def test_what_is_no_right_changes_nothing(self, world: World, change: dict[str, Any]) -> None:
        before = granted(world).digest

        world.change(**change)

        assert granted(world).digest == before

    def test_an_edit_of_a_role_with_a_key_of_its_own_changes_nothing_of_who_has_it(self, world: World) -> None:
        before = granted(world).digest

        with_roles(world, {"name": "device", "publish": {"allow": ["plant.{id}.>"]}})

        assert granted(world).digest == before

    def test_the_order_of_ones_own_permissions_is_no_difference(self, world: World) -> None:
        subjects = ["event.{id}", "alarm.{id}", "note.{id}"]
        world.change(permissions={"publish": {"allow": subjects}})
        before = granted(world)

        world.change(permissions={"publish": {"allow": list(reversed(subjects))}})

        key = SigningKey.generate(KeyType.USER, bytes(32)).public
        times = {"key": key, "issued_at": world.now, "expires_at": world.now + 60}
        after = granted(world)
        assert after.digest == before.digest
        assert after.token(after.signer, **times) == before.token(before.signer, **times)  # type: ignore[arg-type]

    def test_two_ids_are_granted_different_things(self, world: World) -> None:
        before = granted(world).digest

        world.change(deviceId="weather-02")

        assert granted(world).digest != before

    def test_an_edit_of_a_role_that_is_written_out_is_another_grant(self, world: World) -> None:
        with_roles(world, QUEUE)
        world.change(role="worker")
        before = granted(world).digest

        with_roles(world, {"name": "worker", "subscribe": {"allow": ["work.> crew"]}})

        assert granted(world).digest != before

    def test_a_life_of_the_identitys_own_is_another_grant_and_one_of_the_hubs_is_not(self, world: World) -> None:
        before = granted(world)

        world.hub["rotation"] = {"jwt": {"duration": "1h"}}
        assert (granted(world).digest, granted(world).duration) == (before.digest, 3600)
        world.change(rotation={"jwt": {"duration": "2h"}})
        assert granted(world).digest != before.digest
        assert granted(world).duration == 7200


class TestConnectionTypes:
    def restricted(self, world: World, *types: str) -> None:
        with_roles(world, {**QUEUE, "connectionTypes": list(types)})
        world.change(role="worker")

    def test_those_of_the_role_hold_where_the_identity_says_none(self, world: World) -> None:
        self.restricted(world, "WEBSOCKET", "STANDARD")

        limits = granted(world).claims.limits

        assert limits is not None
        assert limits.connection_types == ("STANDARD", "WEBSOCKET")

    def test_an_identity_may_have_fewer_and_not_others(self, world: World) -> None:
        self.restricted(world, "WEBSOCKET", "STANDARD")
        world.change(connectionTypes=["WEBSOCKET"])
        limits = granted(world).claims.limits
        assert limits is not None
        assert limits.connection_types == ("WEBSOCKET",)

        world.change(connectionTypes=["LEAFNODE"])
        refused = refusal(world)

        assert refused.reason == "ConnectionTypeRefused"
        assert "LEAFNODE" in refused.message
        assert "STANDARD, WEBSOCKET" in refused.message


class TestBearer:
    """MQTT has no challenge to sign: the JWT itself is the password."""

    def in_account(self, world: World, **account: Any) -> None:
        world.hub["accounts"] = [{"name": "iot", **account}, {"name": "other"}]
        world.change(connectionTypes=["MQTT"])

    def test_it_is_written_out_bound_to_mqtt_and_hears_the_parent_of_what_it_hears(self, world: World) -> None:
        self.in_account(world, jetStream={"diskStorage": "1Gi"})

        found = granted(world)

        assert found.bearer
        assert found.signers == world.keys["iot"].unscoped
        assert found.claims.limits is not None
        assert found.claims.limits.bearer_token
        assert found.claims.limits.connection_types == ("MQTT",)
        assert {"weather-01", "weather-01.>"} <= set(found.claims.limits.permissions.subscribe_allow)

    def test_no_other_grant_lets_a_jwt_in_without_its_key(self, world: World) -> None:
        for types in (None, ["STANDARD"], ["WEBSOCKET"], ["LEAFNODE"]):
            world.change(connectionTypes=types)
            limits = granted(world).claims.limits
            assert not granted(world).bearer
            assert limits is None or not limits.bearer_token

    def test_it_needs_jetstream_and_an_account_that_takes_bearers(self, world: World) -> None:
        self.in_account(world)
        assert refusal(world).reason == "JetStreamRequired"

        self.in_account(world, jetStream={"diskStorage": "1Gi"}, limits={"disallowBearer": True})
        assert refusal(world).reason == "BearerRefused"

    def test_a_device_with_a_key_of_its_own_gets_none_by_its_role(self, world: World) -> None:
        world.hub["accounts"] = [{"name": "iot", "jetStream": {"diskStorage": "1Gi"}}]
        with_roles(world, {**QUEUE, "connectionTypes": ["MQTT"]})
        world.change(role="worker", publicKey=user_key(1))

        assert refusal(world).reason == "InvalidPublicKey"


class TestRole:
    def test_an_unknown_one_is_told_with_those_there_are(self, world: World) -> None:
        world.change(role="astronaut")

        refused = refusal(world)

        assert (refused.reason, refused.stalled, refused.cut) == ("RoleUnknown", True, False)
        assert "client-read-only, client-standard" in refused.message

    def test_permissions_of_ones_own_are_refused_where_the_account_has_none(self, world: World) -> None:
        world.hub["accounts"] = [{"name": "iot", "ownPermissions": "Refused"}]
        world.change(permissions={"publish": {"allow": ["event.{id}"]}})

        assert refusal(world).reason == "PermissionsRefused"

    def test_a_role_that_may_say_nothing_is_closed_and_not_open(self, world: World) -> None:
        with_roles(world, {**QUEUE, "name": "worker"})
        world.change(role="worker")

        limits = granted(world).claims.limits

        assert limits is not None
        assert limits.permissions.publish_allow == ()
        assert limits.permissions.publish_deny == (">",)

    def test_permissions_of_ones_own_open_just_what_they_say(self, world: World) -> None:
        with_roles(world, QUEUE)
        world.change(role="worker", permissions={"publish": {"allow": ["event.{id}"]}})

        limits = granted(world).claims.limits

        assert limits is not None
        assert limits.permissions.publish_allow == ("event.weather-01",)
        assert ">" not in limits.permissions.publish_deny


class TestHub:
    def test_a_hub_that_is_not_there_or_has_no_keys_is_waited_for(self, world: World) -> None:
        with pytest.raises(RefusedError) as missing:
            grant(world.identity(), None, world.observed())
        with pytest.raises(RefusedError) as troubled:
            grant(world.identity(), None, replace(world.observed(), hub_trouble="its keys are gone"))

        assert (missing.value.reason, missing.value.stalled) == ("HubNotFound", False)
        assert (troubled.value.reason, troubled.value.stalled) == ("HubNotReady", False)

    def test_an_account_without_keys_yet_is_waited_for(self, world: World) -> None:
        accounts: dict[str, AccountView] = {}

        refused = refusal(world, replace(world.view(), accounts=accounts))

        assert (refused.reason, refused.stalled) == ("HubNotReady", False)

    def test_a_grant_shows_no_key(self, world: World) -> None:
        seed = world.keys["iot"].scoped["device"][0].seed.reveal().decode()

        shown = repr(granted(world))

        leaked = seed in shown
        assert not leaked
