"""An identity with the key of somebody who was there before: its end is the end of JWTs that we never issued."""

from dataclasses import replace

import pytest
from decide.key_material import user_key
from decide.somebodys_account import EVERYTHING, signed
from decide.world import NOW, World

from iotsec.decide.adoption import adopted_from
from iotsec.decide.ledger import FOREVER, Ledger

CENTURY = 100 * 365 * 86_400
OLD = user_key(77)


def in_adopted_account(**spec: str) -> World:
    """A Device in an account that was there before us."""
    world = World()
    record = adopted_from(signed({**EVERYTHING, "revocations": {}}))
    world.written["iot"] = Ledger(issued_at=NOW, adopted=replace(record, public=world.keys["iot"].public))
    world.push()
    world.change(**spec)
    world.settle()
    return world


@pytest.fixture
def world() -> World:
    """A Device with an existing user's key."""
    return in_adopted_account(publicKey=OLD)


def refused_for_ever(world: World, key: str = OLD) -> bool:
    """Whether a JWT of this key that is older than ours and never expires is refused, a century from now too."""
    world.now += CENTURY
    world.prune()
    ledger = world.live["iot"]
    return ledger is not None and ledger.revoked_at(key) >= NOW


def test_its_first_jwt_revokes_nothing(world: World) -> None:
    assert world.live["iot"] is not None
    assert world.live["iot"].revocations() == {}
    assert world.tokens[-1].key == OLD


def test_deletion_refuses_what_never_expires_for_ever(world: World) -> None:
    world.delete()
    world.settle()

    assert world.released
    assert refused_for_ever(world)


def test_deletion_does_so_though_our_own_jwt_expired_long_ago(world: World) -> None:
    world.now += CENTURY
    world.restart()
    world.push()
    world.delete()
    world.settle()

    assert refused_for_ever(world)


def test_suspension_and_then_another_key_do_so_too(world: World) -> None:
    for change in ({"suspended": True}, {"suspended": None, "publicKey": user_key(78)}):
        world.change(**change)
        world.settle()

    assert refused_for_ever(world)


def test_other_rights_end_the_old_jwt_with_the_rights_it_has(world: World) -> None:
    world.change(permissions={"publish": {"deny": ["device.weather-01.secret"]}})
    world.settle()

    assert refused_for_ever(world)


def test_a_lost_secret_does_not_hide_what_must_be_refused(world: World) -> None:
    (name,) = world.secrets.objects
    world.secrets.finalize(name, world.secret()["metadata"]["uid"])
    world.secrets.delete(name)
    world.delete()
    world.settle()

    assert refused_for_ever(world)


def test_a_key_that_the_operator_made_is_refused_as_long_as_its_jwts_last_and_no_longer() -> None:
    world = in_adopted_account()
    ours = world.tokens[-1]
    world.delete()
    while not world.released:
        world.reconcile()
        world.push()

    assert world.live["iot"] is not None
    assert world.live["iot"].entries[ours.key][1] < FOREVER
    assert not refused_for_ever(world, ours.key)
