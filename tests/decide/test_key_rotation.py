"""Signing keys are replaced in an order in which nobody is refused, however often the operator starts anew."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from decide.key_material import numbered_entropy
from hypothesis import given, settings
from hypothesis import strategies as st

from iotsec.api.hub import HubSpec
from iotsec.decide import trust
from iotsec.decide.key_rotation import (
    KeyPolicy,
    Signers,
    Standing,
    Step,
    Tally,
    key_policy,
    next_keys,
    replacing,
    tokens,
)
from iotsec.decide.rotation import Policy
from iotsec.decide.seeds import RECORDS, TrustSeeds, completed, generations, left_behind, records
from iotsec.decide.trust import TrustRoot
from iotsec.decide.windows import Window

NOW = 1_800_000_000
DAY = 86_400
ROLES = {"iot": ("device", "module"), "mir": ("device",)}
DEVICE, MODULE = "account.iot.role.device", "account.iot.role.module"
ROTATE = "iotsec.dev/rotate"
ROTATE_DEVICE = "rotate.iotsec.dev/device"


@dataclass
class Keys:
    """A Hub's keys, and a world that follows as soon as it is told."""

    entropy: object = field(default_factory=numbered_entropy)
    now: int = NOW
    policy: KeyPolicy = field(default_factory=KeyPolicy)
    asked: dict[str, str] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    identities: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    connected_by: str = ""

    def __post_init__(self) -> None:
        self.seeds = completed(TrustSeeds({}, {}), roles=ROLES, entropy=self.random, now=NOW)
        self.publish()
        self.connected_by = self.trust.system_signing[0].public

    def random(self) -> bytes:
        return next(self.entropy)  # type: ignore[call-overload, no-any-return]

    @property
    def trust(self) -> TrustRoot:
        return trust.trust_root(self.seeds, roles=ROLES)

    @property
    def signers(self) -> Signers:
        return Signers(self.trust.system_signing, self.trust.accounts)

    def publics(self, name: str) -> list[str]:
        """The public keys of a name, the oldest first."""
        root = self.trust
        if name == "system":
            return [key.public for key in root.system_signing]
        _, account, *role = name.split(".")
        keys = root.accounts[account]
        return [key.public for key in (keys.scoped[role[1]] if len(role) > 1 else keys.unscoped)]

    def publish(self) -> None:
        """Have every server run what the seeds say."""
        root = self.trust
        keys = [*root.system_signing]
        for account in root.accounts.values():
            keys += [*account.unscoped, *(key for scoped in account.scoped.values() for key in scoped)]
        self.live = {key.public: self.live.get(key.public, self.now) for key in keys}

    def look(self) -> Step:
        """What is to be done now."""
        standing = Standing(self.live, self.connected_by, Tally(self.identities, self.ends), self.now)
        return next_keys(
            "uid",
            self.seeds,
            self.signers,
            policy=self.policy,
            asked=self.asked,
            standing=standing,
            entropy=self.random,
        )

    def step(self) -> Step:
        """Do it."""
        done = self.look()
        self.seeds = done.seeds
        return done


def message(step: Step) -> str:
    """What the Hub says of a rotation under way."""
    return next((c.message for c in step.conditions if c.type == "Rotating"), "")


def entries(seeds: TrustSeeds, name: str) -> tuple[str, ...]:
    return generations(seeds.signing, name)


def test_nobody_asks_and_nothing_happens() -> None:
    keys = Keys()

    step = keys.look()

    assert step == Step(keys.seeds, None)
    assert step.seeds is keys.seeds


def test_a_token_for_a_role_adds_a_key_of_that_role_in_every_account_and_of_no_other() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"})

    told = keys.step().told

    assert entries(keys.seeds, DEVICE) == (DEVICE, f"{DEVICE}.2")
    assert entries(keys.seeds, "account.mir.role.device") == ("account.mir.role.device", "account.mir.role.device.2")
    for other in (MODULE, "system", "operator", "account.iot.unscoped"):
        assert entries(keys.seeds, other) == (other,)
    assert [str(one.reason) for one in told] == ["SigningKeyAdded", "SigningKeyAdded"]


def test_a_token_for_all_is_for_the_system_account_too_and_never_for_the_operator() -> None:
    keys = Keys(asked={ROTATE: "a"})

    keys.step()

    assert entries(keys.seeds, "operator") == ("operator",)
    everything = ("system", "account.iot.unscoped", DEVICE, MODULE, "account.mir.unscoped", "account.mir.role.device")
    assert all(entries(keys.seeds, name) == (name, f"{name}.2") for name in everything)
    assert len(replacing(keys.signers)) == len(everything)


def test_a_token_for_the_unscoped_keys_is_for_them_alone() -> None:
    keys = Keys(asked={"rotate.iotsec.dev/unscoped": "a"})

    keys.step()

    assert set(replacing(keys.signers)) == {"account.iot.unscoped", "account.mir.unscoped"}


def test_a_token_is_heeded_in_the_write_that_brings_the_key_and_never_again() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"})
    keys.step()
    assert records(keys.seeds.signing).heeded == {ROTATE_DEVICE: "a"}

    keys.publish()
    keys.now += 100
    keys.step()
    assert entries(keys.seeds, DEVICE) == (f"{DEVICE}.2",)
    assert keys.look().seeds == keys.seeds

    keys.asked = {}
    assert keys.look().seeds == keys.seeds
    keys.asked = {ROTATE_DEVICE: "b"}
    keys.step()
    assert entries(keys.seeds, DEVICE) == (f"{DEVICE}.2", f"{DEVICE}.3")


def test_a_key_that_is_being_replaced_is_not_replaced_again_before_that_is_done() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"})
    keys.step()

    keys.asked = {ROTATE: "b"}
    keys.step()

    assert entries(keys.seeds, DEVICE) == (DEVICE, f"{DEVICE}.2")
    assert entries(keys.seeds, MODULE) == (MODULE, f"{MODULE}.2")
    assert records(keys.seeds.signing).heeded == {ROTATE_DEVICE: "a", ROTATE: "b"}


def test_a_former_key_stays_while_a_server_does_not_know_the_new_one() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"})
    keys.step()
    keys.now += 400 * DAY

    step = keys.look()

    assert step.seeds == keys.seeds
    assert "the servers are being told of the new key" in message(step)


def test_a_former_key_stays_while_anybody_is_on_it_and_goes_with_the_end_of_the_last_jwt() -> None:
    keys = Keys(asked={"rotate.iotsec.dev/module": "a"})
    keys.step()
    keys.publish()
    old, new = keys.publics(MODULE)

    keys.now += 60
    keys.identities, keys.ends = {old: 4880, new: 120}, {old: keys.now + DAY, new: keys.now + 30 * DAY}
    assert message(keys.step()) == "role module in account iot: 120 of 5000 identities are on the new key"

    keys.identities = {new: 5000}
    assert "all 5000 identities are on the new key; the last JWT of the former one ends at" in message(keys.step())
    keys.now += DAY - 1
    assert entries(keys.step().seeds, MODULE) == (MODULE, f"{MODULE}.2")

    keys.now += 1
    done = keys.step()
    assert entries(keys.seeds, MODULE) == (f"{MODULE}.2",)
    assert [str(one.reason) for one in done.told] == ["SigningKeyReplaced"]
    assert not message(done)
    assert records(keys.seeds.signing).made.keys() == keys.seeds.signing.keys() - {RECORDS}


def test_a_former_key_outlives_what_was_being_signed_with_it_when_the_new_one_came_alive() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"})
    keys.step()
    keys.publish()

    assert entries(keys.step().seeds, DEVICE) == (DEVICE, f"{DEVICE}.2")
    keys.now += 10
    assert entries(keys.step().seeds, DEVICE) == (f"{DEVICE}.2",)


def test_a_compromised_key_goes_in_the_same_write_that_brings_the_new_one() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "stolen"}, policy=KeyPolicy(immediate=True))
    (old,) = keys.publics(DEVICE)
    keys.identities, keys.ends = {old: 100}, {old: NOW + 30 * DAY}

    keys.step()

    assert entries(keys.seeds, DEVICE) == (f"{DEVICE}.2",)
    assert keys.publics(DEVICE) != [old]


def test_a_compromise_found_out_in_the_middle_of_a_rotation_ends_both_keys() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"})
    keys.step()
    keys.publish()

    keys.policy, keys.asked = KeyPolicy(immediate=True), {ROTATE_DEVICE: "stolen"}
    keys.step()

    assert entries(keys.seeds, DEVICE) == (f"{DEVICE}.3",)


def test_retire_immediate_also_ends_a_rotation_that_began_before() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"})
    keys.step()

    keys.policy = KeyPolicy(immediate=True)
    keys.step()

    assert entries(keys.seeds, DEVICE) == (f"{DEVICE}.2",)


def test_a_key_that_is_in_no_jwt_is_replaced_at_once() -> None:
    keys = Keys(asked={ROTATE: "a"})
    keys.live = {public: at for public, at in keys.live.items() if public not in keys.publics(MODULE)}

    keys.step()

    assert entries(keys.seeds, MODULE) == (f"{MODULE}.2",)
    assert entries(keys.seeds, DEVICE) == (DEVICE, f"{DEVICE}.2")


@pytest.mark.parametrize("immediate", [False, True])
def test_the_system_accounts_former_key_goes_only_when_our_own_connection_left_it(*, immediate: bool) -> None:
    keys = Keys(asked={ROTATE: "a"}, policy=KeyPolicy(immediate=immediate))
    keys.step()
    assert entries(keys.seeds, "system") == ("system", "system.2")
    keys.now += DAY
    assert entries(keys.step().seeds, "system") == ("system", "system.2")

    keys.publish()
    assert entries(keys.step().seeds, "system") == ("system", "system.2")
    keys.connected_by = keys.publics("system")[-1]
    keys.step()

    assert entries(keys.seeds, "system") == ("system.2",)


def test_keys_fall_due_by_their_age_each_at_a_moment_of_its_own_that_no_restart_moves() -> None:
    keys = Keys(policy=KeyPolicy(Policy(90 * DAY)))
    first = keys.look().due

    assert first is not None
    assert NOW + 50 * DAY < first <= NOW + 60 * DAY
    assert keys.look().due == first
    keys.now = first
    keys.step()
    assert sum(len(entries(keys.seeds, name)) == 2 for name in ("system", "account.iot.unscoped", DEVICE, MODULE)) <= 2
    assert len(replacing(keys.signers)) == 1


def test_a_window_moves_what_is_due_and_one_that_never_opens_is_told() -> None:
    nightly = Window(cron="0 2 * * *", duration=3600, time_zone="UTC")
    new_year = Window(cron="0 0 1 1 *", duration=60, time_zone="UTC")
    keys = Keys(policy=KeyPolicy(Policy(90 * DAY, windows=(nightly,))))
    due = keys.look().due
    assert due is not None
    assert 2 * 3600 <= due % DAY < 3 * 3600

    keys.policy = KeyPolicy(Policy(30 * DAY, windows=(new_year,)))
    keys.now = NOW - NOW % DAY + 200 * DAY
    keys.seeds = completed(TrustSeeds({}, {}), roles=ROLES, entropy=keys.random, now=keys.now)
    assert [c.type for c in keys.look().conditions] == ["RotationWindowMissed"]


def test_a_key_whose_age_was_lost_counts_as_new() -> None:
    keys = Keys(policy=KeyPolicy(Policy(90 * DAY)))
    keys.seeds = replace(keys.seeds, signing={**keys.seeds.signing, RECORDS: b"?"})

    assert keys.look().seeds.signing.keys() == keys.seeds.signing.keys()


def test_an_annotation_that_means_no_key_is_told_once() -> None:
    keys = Keys(asked={"rotate.iotsec.dev/gatway": "a"})

    (told,) = keys.step().told

    assert str(told.reason) == "RoleUnknown"
    assert "rotate.iotsec.dev/gatway names no role" in told.note
    assert keys.look().told == ()


def test_annotations_of_others_ask_for_nothing() -> None:
    found = {
        ROTATE: "a",
        ROTATE_DEVICE: "b",
        "rotate.iotsec.dev/module": "",
        "iotsec.dev/rotate-operator": "c",
        "x": "d",
    }

    assert tokens(found) == {ROTATE: "a", ROTATE_DEVICE: "b"}


def test_a_hubs_spec_says_when_and_how() -> None:
    def policy(rotation: Mapping[str, object]) -> KeyPolicy:
        return key_policy(HubSpec.parse({"nats": {"servers": ["nats://nats:4222"]}, "rotation": rotation}))

    assert policy({}) == KeyPolicy()
    assert policy({"signingKeys": {"duration": "2160h"}}) == KeyPolicy(Policy(90 * DAY))
    assert policy({"signingKeys": {"duration": "1h", "retire": "Immediate"}}) == KeyPolicy(Policy(3600), immediate=True)
    windows = [{"cron": "0 2 * * *", "duration": "1h"}, {"cron": "0 0 31 2 *", "duration": "1h"}]
    given_windows = policy({"signingKeys": {"duration": "1h"}, "windows": windows}).policy
    assert given_windows is not None
    assert given_windows.windows == (Window(cron="0 2 * * *", duration=3600, time_zone="UTC"),)


def test_a_former_seed_that_somebody_puts_back_is_known_as_such() -> None:
    keys = Keys(asked={ROTATE_DEVICE: "a"}, policy=KeyPolicy(immediate=True))
    before = dict(keys.seeds.signing)
    keys.step()

    restored = {**keys.seeds.signing, **before, "notes.txt": b"x"}

    assert left_behind(restored, keys.seeds.signing) == {DEVICE, "account.mir.role.device"}


@settings(max_examples=40)
@given(st.data())
def test_whatever_happens_there_is_a_key_that_servers_know_never_more_than_two_and_none_in_use_goes(
    data: st.DataObject,
) -> None:
    """The fleet follows, servers lag, tokens come, clocks run; the operator may start anew at any point."""
    keys = Keys(policy=KeyPolicy(Policy(30 * DAY)))
    for turn in range(data.draw(st.integers(1, 25))):
        event = data.draw(st.sampled_from(["ask", "publish", "move", "wait", "ask all"]))
        if event == "ask":
            keys.asked[ROTATE_DEVICE] = str(turn)
        elif event == "ask all":
            keys.asked[ROTATE] = str(turn)
        elif event == "publish":
            keys.publish()
        elif event == "move":
            signer = next((key for key in reversed(keys.publics(DEVICE)) if key in keys.live), keys.publics(DEVICE)[-1])
            keys.identities, keys.ends = {signer: 1}, {**keys.ends, signer: keys.now + 30 * DAY}
            keys.connected_by = next(key for key in reversed(keys.publics("system")) if key in keys.live)
        else:
            keys.now += data.draw(st.integers(1, 40 * DAY))
        valid = {key for key, end in keys.ends.items() if end > keys.now}

        keys.step()

        for name in ("system", "account.iot.unscoped", DEVICE, MODULE):
            assert len(keys.publics(name)) <= 2
            assert set(keys.publics(name)) & keys.live.keys()
        assert valid <= set(keys.publics(DEVICE))
        assert keys.connected_by in keys.publics("system")
