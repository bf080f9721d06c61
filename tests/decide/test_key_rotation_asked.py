"""When signing keys are replaced: by their age, in windows, or since somebody asks."""

from collections.abc import Mapping
from dataclasses import replace

from decide.rotating_keys import DAY, DEVICE, MODULE, NOW, ROLES, ROTATE, ROTATE_DEVICE, Keys, entries

from iotsec.api.hub import HubSpec
from iotsec.decide.key_rotation import KeyPolicy, key_policy, replacing, tokens
from iotsec.decide.rotation import Policy
from iotsec.decide.seeds import RECORDS, TrustSeeds, completed, left_behind
from iotsec.decide.windows import Window


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
