"""The same histories with rotations in them: a former key works for its overlap, and never a second longer."""

from typing import Any

from decide.test_history import History
from decide.user_tokens import Token
from decide.world import World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from iotsec.decide import names
from iotsec.decide.plan import Plan

_ROTATIONS: list[dict[str, Any] | None] = [
    None,
    {"jwt": {"duration": "1h", "overlap": "10m"}},
    {"jwt": {"duration": "2h"}, "keys": {"duration": "3h", "overlap": "15m"}},
    {"jwt": {"duration": "2h", "overlap": "20m"}, "keys": {"duration": "40m", "overlap": "5m"}},
    {"jwt": {"duration": "48h"}, "keys": {"duration": "30m"}},
    {"jwt": {"duration": "48h"}, "windows": [{"cron": "0 2 * * *", "duration": "1h"}]},
]
_MINUTE = 60


class RotatingWorld(World):
    """Keeps for every JWT when it must be refused at the latest, by the spec of the moment it was replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[str, int] = {}

    def _write(self, plan: Plan) -> None:
        before = self.tokens[-1] if self.tokens else None
        super()._write(plan)
        if before is None or self.tokens[-1].token == before.token:
            return
        overlap = self.overlap(of_key=self.tokens[-1].key != before.key)
        if overlap is not None:
            self.ends.setdefault(before.token, self.now + overlap)

    def overlap(self, *, of_key: bool) -> int | None:
        """How long the spec of now lets a former credential work beside the new one, in seconds."""
        jwt, keys = self._part("jwt"), self._part("keys")
        said = (keys or jwt if of_key else jwt).get("overlap")
        return int(said.removesuffix("m")) * _MINUTE if said else None

    def _part(self, name: str) -> dict[str, str]:
        own, of_hub = self.spec.get("rotation") or {}, self.hub.get("rotation") or {}
        found: dict[str, str] = own.get(name) or of_hub.get(name) or {}
        return found

    def too_late(self, token: Token) -> bool:
        """Tell whether a JWT should be refused by now."""
        return self.now >= self.ends.get(token.token, token.expires_at)


class RotationHistory(History):
    """The life of one Device whose keys are replaced: by the clock, by hand, and in the middle of all else."""

    world: RotatingWorld

    @initialize()
    def begin(self) -> None:
        self.world = RotatingWorld()

    @precondition(lambda self: not self.world.deleting)
    @rule(rotation=st.sampled_from(_ROTATIONS))
    def change_rotation(self, rotation: dict[str, Any] | None) -> None:
        self.world.change(rotation=rotation)

    @rule(rotation=st.sampled_from(_ROTATIONS))
    def change_rotation_of_hub(self, rotation: dict[str, Any] | None) -> None:
        self.world.hub["rotation"] = rotation or {}

    @rule(token=st.sampled_from(["", "a", "b", "c"]))
    def ask_for_a_rotation(self, token: str) -> None:
        self.world.rotate = token

    @precondition(lambda self: self.world.secrets.objects)
    @rule(data=st.data(), token=st.sampled_from([None, "d", "e"]))
    def ask_on_the_secret(self, data: st.DataObject, token: str | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.secrets.objects)))
        self.world.secrets.patch(name, {"metadata": {"annotations": {names.ROTATE: token}}}, manager="kubectl")

    @precondition(lambda self: not self.world.deleting)
    @rule(token=st.sampled_from(["", "a", "b", "c"]), minutes=st.sampled_from([4, 5, 15, 40, 60 * 24]))
    def have_peace_for_a_while(self, token: str, minutes: int) -> None:
        """Nobody is in the way, the servers answer, and time passes between two looks."""
        self.world.problem, self.world.rival, self.world.rotate = "", None, token
        self.come_to_rest()
        self.world.now += minutes * _MINUTE
        self.come_to_rest()

    @rule(it_is_meant=st.sampled_from([False] * 7 + [True]))
    def delete_device(self, *, it_is_meant: bool) -> None:
        """Rarely: nothing is rotated afterwards."""
        if it_is_meant:
            self.world.delete()

    @rule(minutes=st.sampled_from([1, 5, 10, 30, 60, 180, 60 * 24, 60 * 24 * 40]))
    def let_time_pass(self, minutes: int) -> None:
        self.world.now += minutes * _MINUTE

    @precondition(lambda self: not self.world.problem)
    @rule()
    def come_to_rest(self) -> None:
        world, allowed = self.world, self.let_in_at_rest()
        if allowed is None:
            return
        assert not [token for token in allowed if world.too_late(token)], "an overlap lasts longer than it may"
        if world.rival is not None:
            identity = world.identity()
            assert {token.name for token in allowed} <= {identity.id}, "an id that was given up is still had"
            return
        newest = world.tokens[-1]
        assert newest in allowed, "the credential in the Secret is refused"
        assert {token.account for token in allowed} == {newest.account}, "an account that was left lets in"
        assert {token.digest for token in allowed} == {newest.digest}, "rights that were taken away are still had"
        told = [c for c in world.status["conditions"] if c["type"] == "Rotating"]
        if {token.key for token in allowed} != {newest.key}:
            assert told, "two keys are let in, and nobody is told"
        asked = {world.rotate, *self.on_secrets()} - {""}
        assert asked <= set(world.status.get("rotated", ())), "a rotation was asked for and not made"

    def on_secrets(self) -> set[str]:
        """The tokens on the Secrets."""
        self.world.watch()
        return {facts.rotate for facts in self.world.observed().secrets}


TestRotationHistory = RotationHistory.TestCase
TestRotationHistory.settings = settings(max_examples=100, stateful_step_count=50, deadline=None, derandomize=True)
