"""Why a credential is replaced other than for its age: somebody asks, a window opens, a signing key goes."""

from dataclasses import replace

import pytest
from decide.key_material import signers, user_key
from decide.test_credential_rotation import DAY, HOUR, accepted
from decide.world import World, ready

from iotsec.decide import names
from iotsec.decide.times import unix
from iotsec.nats.keys import KeyType, SigningKey


class TestForced:
    def test_each_token_is_heeded_once(self, issued: World) -> None:
        for token in ("1", "1", "2", "", "2"):
            issued.rotate = token
            issued.settle()

        assert issued.status["revision"] == 3
        assert len({token.key for token in issued.tokens}) == 3

    def test_one_on_the_secret_counts_as_much(self, issued: World) -> None:
        name = issued.secret()["metadata"]["name"]
        issued.secrets.patch(name, {"metadata": {"annotations": {names.ROTATE: "leaked"}}}, manager="kubectl")

        issued.settle()
        issued.settle()

        assert issued.status["rotated"] == ["leaked"]
        assert issued.status["revision"] == 2

    def test_a_lost_secret_makes_no_token_count_again(self, issued: World) -> None:
        issued.rotate = "1"
        issued.settle()

        issued.secrets.objects.clear()
        issued.restart()
        issued.settle()

        assert issued.status["rotated"] == ["1"]
        assert issued.status["revision"] == 3

    @pytest.mark.parametrize("effects", [0, 1, 2, 3])
    def test_it_is_made_once_though_the_power_is_cut(self, issued: World, effects: int) -> None:
        issued.rotate = "1"
        issued.reconcile(effects)
        issued.restart()
        issued.settle()

        assert len({token.key for token in issued.tokens}) == 2
        assert issued.status["revision"] == 2

    def test_it_waits_for_a_turn_but_not_beyond_an_hour(self, issued: World) -> None:
        issued.rotate = "1"

        assert issued.reconcile().deadline == issued.now + HOUR

    def test_a_device_with_its_own_key_gets_another_jwt(self, world: World) -> None:
        world.change(publicKey=user_key(1))
        world.settle()
        world.now += 60
        world.rotate = "1"
        world.settle()
        world.settle()

        assert [token.key for token in world.tokens] == [user_key(1)] * 2
        assert world.tokens[1].issued_at > world.tokens[0].issued_at

    def test_a_suspended_device_is_rotated_by_its_return(self, issued: World) -> None:
        issued.change(suspended=True)
        issued.rotate = "1"
        issued.settle()
        assert issued.status["revision"] == 1

        issued.change(suspended=None)
        issued.settle()

        assert len(accepted(issued)) == 1
        assert issued.tokens[-1].key != issued.tokens[0].key


class TestWindows:
    def test_what_is_due_waits_for_its_window_and_then_goes_inside(self, world: World) -> None:
        world.change(rotation={"jwt": {"duration": "480h"}, "windows": [{"cron": "0 2 * * *", "duration": "2h"}]})
        plan = world.settle()
        assert plan.due is not None

        assert 2 <= plan.due % DAY // HOUR < 4
        world.now = plan.due - 1
        assert world.reconcile().action == ""
        world.now = plan.due
        assert world.reconcile().action == "renew"

    def test_windows_that_never_come_in_time_are_told_beforehand(self, world: World) -> None:
        world.change(rotation={"jwt": {"duration": "24h"}, "windows": [{"cron": "0 2 1 1 *", "duration": "1h"}]})

        world.settle()

        missed = next(c for c in world.status["conditions"] if c["type"] == "RotationWindowMissed")
        assert (missed["status"], missed["reason"]) == ("True", "NoWindowInTime")
        assert unix(world.status["renewalTime"]) < unix(world.status["expiresAt"])
        assert ready(world.status) == ("True", "Issued")


class TestSigningKeys:
    def make_another(self, world: World, *, live: bool) -> SigningKey:
        """Give the Device's role a newer signing key beside the one it has."""
        key = SigningKey.generate(KeyType.ACCOUNT, next(world.entropy))
        keys = world.keys["iot"]
        world.keys["iot"] = replace(keys, scoped={**keys.scoped, "device": (*keys.scoped["device"], key)})
        if live:
            world.signers_live["iot"] = signers(world.keys["iot"])
        return key

    def retire(self, world: World) -> None:
        """Take the former signing keys of the role away."""
        keys = world.keys["iot"]
        world.keys["iot"] = replace(keys, scoped={**keys.scoped, "device": keys.scoped["device"][-1:]})
        world.signers_live["iot"] = signers(world.keys["iot"])

    def test_a_newer_key_signs_only_when_every_server_knows_it(self, issued: World) -> None:
        former = signer_of(issued)
        key = self.make_another(issued, live=False)
        issued.settle()
        assert signer_of(issued) == former

        issued.signers_live["iot"] = signers(issued.keys["iot"])
        issued.settle()

        assert signer_of(issued) == key.public
        assert len({token.key for token in issued.tokens}) == 1
        assert accepted(issued) == set(issued.tokens), "what the former key signed goes on"

    def test_a_key_that_is_gone_takes_all_it_signed_with_it(self, issued: World) -> None:
        key = self.make_another(issued, live=True)
        self.retire(issued)

        plan = issued.reconcile()

        assert plan.deadline is None, "it waits for no turn"
        issued.settle()
        assert signer_of(issued) == key.public


def signer_of(world: World) -> str:
    """The public key that signed what the Secret holds."""
    world.watch()
    (facts,) = world.observed().secrets
    assert facts.issued is not None
    return facts.issued.signer
