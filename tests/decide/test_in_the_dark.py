"""What is issued while the servers cannot be asked, or by a clock that was wrong, is let in all the same."""

from dataclasses import replace
from types import MappingProxyType

from decide.world import World

from iotsec.decide.ledger import EVERYBODY
from iotsec.nats import jwt
from iotsec.nats.keys import KeyType, SigningKey

HOUR = 3600


def test_a_renewal_after_a_restart_is_signed_by_a_key_that_servers_know_though_a_newer_one_was_made(
    issued: World,
) -> None:
    former = jwt.decode(issued.tokens[-1].token).issuer
    keys = issued.keys["iot"]
    newer = SigningKey.generate(KeyType.ACCOUNT, next(issued.entropy))
    issued.keys["iot"] = replace(keys, scoped={**keys.scoped, "device": (*keys.scoped["device"], newer)})
    issued.restart()
    due = issued.reconcile().due
    assert due is not None

    issued.now = due
    plan = issued.reconcile()

    assert plan.action == "renew"
    assert jwt.decode(issued.tokens[-1].token).issuer == former


def test_a_new_key_is_let_in_though_everybody_was_ended_by_a_clock_that_was_ahead(issued: World) -> None:
    issued.now -= 2 * HOUR  # corrected
    until = issued.now + 1000 * HOUR
    ended = MappingProxyType({EVERYBODY: (issued.now + HOUR, until)})
    issued.written["iot"] = replace(issued.written["iot"], entries=ended)
    issued.push()

    issued.rotate = "1"
    issued.settle()

    assert issued.lets_in(issued.tokens[-1])
    assert issued.lets_in(issued.tokens[-2]), "the former key works beside it"
