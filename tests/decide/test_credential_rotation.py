"""When a key takes another's place: what works beside it, until when, and what a change of rights leaves of it."""

from typing import Any

import pytest
from decide.key_material import user_key
from decide.user_tokens import Token
from decide.world import World, ready

from iotsec.decide.times import rfc3339

HOUR, DAY = 3600, 86_400
ROTATION = {"jwt": {"duration": "48h"}, "keys": {"duration": "240h", "overlap": "1h"}}


@pytest.fixture
def rotating(world: World) -> World:
    """A world whose Device has had its first key replaced on demand, a moment ago."""
    world.change(rotation=ROTATION)
    world.settle()
    world.now += 60
    world.rotate = "1"
    world.settle()
    return world


def rotation(world: World) -> tuple[str, str] | None:
    """What the condition Rotating says, if it is there."""
    return next(((c["reason"], c["message"]) for c in world.status["conditions"] if c["type"] == "Rotating"), None)


def accepted(world: World) -> set[Token]:
    return {token for token in world.tokens if world.lets_in(token)}


class TestDue:
    def test_a_key_that_was_used_long_enough_is_replaced(self, world: World) -> None:
        world.change(rotation={"jwt": {"duration": "480h"}, "keys": {"duration": "30h", "overlap": "1h"}})
        due = world.settle().due
        assert due is not None

        assert 18 * HOUR <= due - world.now <= 20 * HOUR
        world.now = due
        plan = world.reconcile()
        assert (plan.action, plan.deadline is not None) == ("rotate", True)
        assert len({token.key for token in world.tokens}) == 2

    def test_renewals_do_not_make_a_key_younger(self, world: World) -> None:
        world.change(rotation=ROTATION)
        plan = world.settle()
        first = world.tokens[-1].key

        while world.tokens[-1].key == first:
            assert plan.due is not None
            world.now = plan.due
            plan = world.settle()

        lived = world.now - world.tokens[0].issued_at
        assert 144 * HOUR <= lived <= 160 * HOUR
        assert world.status["keyIssuedAt"] == rfc3339(world.now)

    def test_a_key_and_a_jwt_that_are_due_together_are_replaced_in_one_go(self, world: World) -> None:
        world.change(rotation=ROTATION)
        world.settle()

        world.now += 365 * DAY
        world.settle()

        assert world.status["revision"] == 2
        assert len({token.key for token in world.tokens}) == 2

    def test_a_key_without_a_rotation_is_kept_for_ever(self, issued: World) -> None:
        for _ in range(20):
            due = issued.reconcile().due
            assert due is not None
            issued.now = due
            issued.settle()

        assert len({token.key for token in issued.tokens}) == 1
        assert issued.status["revision"] == 21

    def test_a_device_that_holds_its_own_key_is_never_given_another(self, world: World) -> None:
        world.change(publicKey=user_key(1), rotation=ROTATION)
        world.settle()

        world.now += 365 * DAY
        world.settle()

        assert {token.key for token in world.tokens} == {user_key(1)}

    def test_a_rotation_on_the_hub_holds_for_who_has_none(self, issued: World) -> None:
        issued.hub["rotation"] = {"keys": {"duration": "24h"}}

        issued.now += 20 * HOUR
        issued.settle()

        assert len({token.key for token in issued.tokens}) == 2


class TestOverlap:
    def test_both_keys_work_and_it_is_told_until_when(self, rotating: World) -> None:
        first, second = rotating.tokens[0], rotating.tokens[-1]

        assert first.key != second.key
        assert accepted(rotating) == {first, second}
        assert ready(rotating.status) == ("True", "Issued")
        told = rotation(rotating)
        assert told is not None
        assert told[0] == "Overlap"
        assert rfc3339(rotating.now + HOUR) in told[1]

    def test_the_operator_looks_again_at_its_very_end(self, rotating: World) -> None:
        plan = rotating.reconcile()

        assert plan.due == rotating.now + HOUR

    def test_at_its_end_the_former_is_refused(self, rotating: World) -> None:
        second = rotating.tokens[-1]

        rotating.now += HOUR
        plan = rotating.reconcile()
        assert {r.key for r in plan.revoke} == {rotating.tokens[0].key}
        assert rotation(rotating) == (
            "RevocationPending",
            "the servers are being told to refuse the former credential, whose overlap is over",
        )
        assert ready(rotating.status) == ("True", "Issued")
        rotating.settle()

        assert accepted(rotating) == {second}
        assert rotation(rotating) is None

    def test_a_second_before_its_end_nothing_is_refused(self, rotating: World) -> None:
        rotating.now += HOUR - 1

        assert rotating.reconcile().revoke == ()
        assert len(accepted(rotating)) == 2

    def test_an_operator_that_was_away_ends_it_when_it_returns(self, rotating: World) -> None:
        rotating.restart()
        rotating.now += 5 * HOUR

        rotating.settle()

        assert accepted(rotating) == {rotating.tokens[-1]}

    def test_without_one_the_former_works_to_its_own_end(self, world: World) -> None:
        world.change(rotation={"jwt": {"duration": "48h"}, "keys": {"duration": "240h"}})
        world.settle()
        world.rotate = "1"
        world.settle()
        first = world.tokens[0]

        world.now = first.expires_at - 1
        assert first in accepted(world)
        world.now = first.expires_at
        assert first not in accepted(world)

    def test_a_rotation_in_an_overlap_keeps_each_to_its_own_end(self, rotating: World) -> None:
        first, second = rotating.tokens
        rotating.now += HOUR // 2
        rotating.rotate = "2"
        rotating.settle()
        third = rotating.tokens[-1]
        assert accepted(rotating) == {first, second, third}

        rotating.now += HOUR // 2
        rotating.settle()
        assert accepted(rotating) == {second, third}

        rotating.now += HOUR // 2
        rotating.settle()
        assert accepted(rotating) == {third}

    def test_a_renewed_jwt_with_an_overlap_is_refused_at_its_end_though_the_key_goes_on(self, world: World) -> None:
        world.change(rotation={"jwt": {"duration": "48h", "overlap": "1h"}})
        plan = world.settle()
        assert plan.due is not None
        world.now = plan.due
        world.settle()
        first, second = world.tokens
        assert first.key == second.key
        assert accepted(world) == {first, second}

        world.now += HOUR
        world.settle()

        assert accepted(world) == {second}


NARROWING: list[dict[str, Any]] = [
    {"role": "device-any"},
    {"deviceId": "weather-02"},
    {"account": "other"},
    {"permissions": {"publish": {"deny": ["device.{id}.secret"]}}},
    {"publicKey": user_key(7)},
    {"rotation": {"jwt": {"duration": "1h"}}},
]


class TestEndOfRights:
    @pytest.mark.parametrize("change", NARROWING, ids=lambda change: next(iter(change)))
    def test_a_change_of_rights_in_an_overlap_ends_both_keys_jwts(
        self, rotating: World, change: dict[str, Any]
    ) -> None:
        before = set(rotating.tokens)

        rotating.change(**change)
        rotating.settle()

        assert not accepted(rotating) & before
        assert len(accepted(rotating)) == 1

    @pytest.mark.parametrize("effects", [0, 1, 2, 3])
    def test_also_where_the_power_is_cut_in_the_middle(self, rotating: World, effects: int) -> None:
        before = set(rotating.tokens)

        rotating.change(role="device-any")
        rotating.reconcile(effects)
        rotating.restart()
        rotating.settle()

        assert not accepted(rotating) & before

    def test_a_suspension_in_an_overlap_ends_both(self, rotating: World) -> None:
        rotating.change(suspended=True)
        rotating.settle()

        assert accepted(rotating) == set()

    def test_a_deletion_in_an_overlap_ends_both(self, rotating: World) -> None:
        rotating.delete()
        rotating.settle()

        assert rotating.released
        assert accepted(rotating) == set()

    def test_a_secret_that_is_lost_in_an_overlap_ends_both_and_the_next_key_is_another(self, rotating: World) -> None:
        before = set(rotating.tokens)

        rotating.secrets.objects.clear()
        rotating.settle()

        # What the Secret alone knew, the former key, ends with its own JWT.
        assert rotating.tokens[-2] not in accepted(rotating)
        assert rotating.tokens[-1].key not in {token.key for token in before}


class TestLoss:
    def test_a_former_key_whose_secret_was_forced_away_is_refused_with_all_the_rest(self, rotating: World) -> None:
        assert len(accepted(rotating)) == 2

        rotating.secrets.objects.clear()
        rotating.settle()

        assert accepted(rotating) == {rotating.tokens[-1]}
        assert "formerKeys" not in rotating.status

    def test_a_former_key_whose_secret_was_forced_away_is_refused_when_the_device_goes(self, rotating: World) -> None:
        rotating.delete()
        rotating.secrets.objects.clear()

        rotating.settle()

        assert rotating.released
        assert accepted(rotating) == set()

    def test_a_former_key_ends_where_the_note_of_its_overlap_was_damaged(self, rotating: World) -> None:
        name = rotating.secret()["metadata"]["name"]
        rotating.secrets.patch(name, {"metadata": {"annotations": {"iotsec.dev/issued": "?"}}}, manager="kubectl")

        rotating.settle()

        assert accepted(rotating) == {rotating.tokens[-1]}
