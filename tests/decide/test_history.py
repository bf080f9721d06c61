"""Whatever happens in whatever order: nothing that ended is let in again, and nothing is written without a reason."""

from typing import Any

from decide.key_material import user_key
from decide.user_tokens import Token
from decide.world import World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iotsec.decide import names
from iotsec.decide.views import Rival

_SPECS: dict[str, st.SearchStrategy[Any]] = {
    "deviceId": st.sampled_from([None, "weather-02"]),
    "role": st.sampled_from(["device", "device-any"]),
    "account": st.sampled_from(["iot", "other"]),
    "publicKey": st.sampled_from([None, user_key(1), user_key(2)]),
    "permissions": st.sampled_from([None, {"publish": {"allow": ["event.{id}"]}}]),
    "rotation": st.sampled_from([None, {"jwt": {"duration": "1h"}}, {"jwt": {"duration": "20m"}}]),
    "secretName": st.sampled_from([None, "creds"]),
    "credsKey": st.sampled_from([None, "mir.creds"]),
    "suspended": st.booleans(),
}

_CHANGES = st.sampled_from(sorted(_SPECS)).flatmap(lambda name: st.tuples(st.just(name), _SPECS[name]))


class History(RuleBasedStateMachine):
    """The life of one Device, with an operator that stops anywhere and servers that lag behind."""

    @initialize()
    def begin(self) -> None:
        self.world = World()

    # What people do.

    @precondition(lambda self: not self.world.deleting)
    @rule(change=_CHANGES)
    def change_spec(self, change: tuple[str, Any]) -> None:
        name, value = change
        self.world.change(**{name: value})

    @rule(duration=st.sampled_from(["20m", "1h", "720h"]))
    def change_hub(self, duration: str) -> None:
        self.world.hub["rotation"] = {"jwt": {"duration": duration}}

    @rule()
    def delete_device(self) -> None:
        self.world.delete()

    @precondition(lambda self: self.world.secrets.objects)
    @rule(data=st.data())
    def delete_secret(self, data: st.DataObject) -> None:
        self.world.secrets.delete(data.draw(st.sampled_from(sorted(self.world.secrets.objects))))

    @precondition(lambda self: self.world.secrets.objects and not self.world.deleting)
    @rule(
        data=st.data(),
        key=st.sampled_from(["nats.creds", "user.jwt", "inbox-prefix"]),
        value=st.sampled_from([None, ""]),
    )
    def damage_data(self, data: st.DataObject, key: str, value: str | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.secrets.objects)))
        self.world.secrets.patch(name, {"data": {key: value}}, manager="kubectl")

    @precondition(lambda self: self.world.secrets.objects)
    @rule(data=st.data(), label=st.sampled_from([names.COMPONENT, names.MANAGED_BY[0]]))
    def remove_label(self, data: st.DataObject, label: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.secrets.objects)))
        if self.world.secrets.objects[name]["metadata"]["labels"].get(names.COMPONENT):
            self.world.secrets.patch(name, {"metadata": {"labels": {label: "other"}}}, manager="kubectl")

    @precondition(lambda self: self.world.secrets.objects and not self.world.released)
    @rule()
    def lose_secrets(self) -> None:
        """Somebody strips every finalizer; all that is left is what the status was told."""
        self.world.reconcile()
        self.world.record()
        self.world.secrets.objects.clear()
        self.world.restart()

    @rule(rival=st.sampled_from([None, Rival("Device", "iot", "pump-07")]))
    def take_id(self, rival: Rival | None) -> None:
        self.world.rival = rival

    # What time and the servers do.

    @rule(seconds=st.sampled_from([1, 60, 600, 3600, 86_400]))
    def wait(self, seconds: int) -> None:
        self.world.now += seconds

    @precondition(lambda self: not self.world.released)
    @rule()
    def wait_until_something_is_due(self) -> None:
        due = self.world.reconcile().due
        if due is not None:
            self.world.now = max(self.world.now, due)

    @rule(problem=st.sampled_from(["", "no NATS server answers"]))
    def change_servers(self, problem: str) -> None:
        self.world.problem = problem

    @rule()
    def record(self) -> None:
        self.world.record()

    @precondition(lambda self: not self.world.problem)
    @rule()
    def push(self) -> None:
        self.world.push()

    @precondition(lambda self: not self.world.problem)
    @rule()
    def prune(self) -> None:
        self.world.prune()

    # What the operator does.

    @rule(effects=st.sampled_from([99, 99, 99, 0, 1, 2, 3]))
    def work(self, effects: int) -> None:
        if self.world.released:
            return
        self.world.reconcile(effects)
        if effects != 99:
            self.world.restart()

    @rule()
    def restart(self) -> None:
        self.world.restart()

    def let_in_at_rest(self) -> list[Token] | None:
        """What servers accept once nothing is left to do; None where all of it was given up, and none is."""
        world = self.world
        if not world.released:
            world.settle()
            writes = (world.secrets.version, world.status_writes)
            world.reconcile()
            assert (world.secrets.version, world.status_writes) == writes, "a second look writes nothing"
        world.prune()
        allowed = [token for token in world.tokens if world.lets_in(token)]
        if world.deleting or world.spec.get("suspended"):
            assert allowed == [], "what was given up is let in"
            return None
        return allowed

    @precondition(lambda self: not self.world.problem)
    @rule()
    def come_to_rest(self) -> None:
        world, allowed = self.world, self.let_in_at_rest()
        if allowed is None:
            return
        if world.rival is not None:
            identity = world.identity()
            assert {token.name for token in allowed} <= {identity.id}, "an id that was given up is still had"
            assert len({token.key for token in allowed}) <= 1, "a replaced key is let in"
            assert identity.spec.public_key in {None, *(token.key for token in allowed)} or not allowed
            return
        newest = world.tokens[-1]
        assert newest in allowed, "the credential in the Secret is refused"
        assert {token.key for token in allowed} == {newest.key}, "a replaced key is let in"
        assert {token.account for token in allowed} == {newest.account}, "an account that was left lets in"
        assert {token.digest for token in allowed} == {newest.digest}, "rights that were taken away are still had"

    # What is always so.

    @invariant()
    def times_of_a_key_only_go_up(self) -> None:
        seen: dict[tuple[str, str], tuple[int, str]] = {}
        for token in getattr(getattr(self, "world", None), "tokens", ()):
            last, text = seen.get((token.account, token.key), (0, ""))
            assert token.issued_at > last or token.token == text, "a JWT is no newer than the one before it"
            seen[token.account, token.key] = (token.issued_at, token.token)

    @invariant()
    def a_device_is_released_only_when_nothing_lets_it_in(self) -> None:
        world = getattr(self, "world", None)
        if world is not None and world.released:
            assert not [token for token in world.tokens if world.lets_in(token, world.written)]


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)
