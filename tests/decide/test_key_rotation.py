"""Signing keys are replaced in an order in which nobody is refused, however often the operator starts anew."""

import pytest
from decide.rotating_keys import DAY, DEVICE, MODULE, NOW, ROTATE, ROTATE_DEVICE, Keys, entries, message
from hypothesis import given, settings
from hypothesis import strategies as st

from iotsec.decide.key_rotation import KeyPolicy, Step, replacing
from iotsec.decide.rotation import Policy
from iotsec.decide.seeds import RECORDS, records


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
