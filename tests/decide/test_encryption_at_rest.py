"""JetStream's key: made once, never by itself again, replaced step by step as servers are restarted."""

import itertools
from collections.abc import Callable

import pytest

from iotsec.decide.encryption_at_rest import (
    EncryptionState,
    Phase,
    Progress,
    advanced,
    brought_up,
    in_use,
    jetstream_conf,
    read_state,
)
from iotsec.decide.seeds import TrustDamagedError

SECRET = "plant-jetstream-key"  # noqa: S105 - the name of one
THEFT, AGAIN, FIRST = "after-the-theft", "again", "first"
THREE_CURRENT = dict.fromkeys(("nats-0", "nats-1", "nats-2"), True)


@pytest.fixture
def entropy() -> Callable[[], bytes]:
    numbers = itertools.count(1)
    return lambda: next(numbers).to_bytes(32)


@pytest.fixture
def state(entropy: Callable[[], bytes]) -> EncryptionState:
    return brought_up(None, cipher="ChaCha", token="", entropy=entropy)


@pytest.fixture
def replaced(state: EncryptionState, entropy: Callable[[], bytes]) -> EncryptionState:
    """The state of three servers whose key was just replaced."""
    return advanced(state, token=THEFT, servers=THREE_CURRENT, entropy=entropy)


def test_nothing_is_told_to_servers_while_nothing_is_encrypted() -> None:
    assert jetstream_conf(None) == b""


def test_the_configuration_holds_no_key_and_stays_as_it_is_when_the_key_does_not(
    state: EncryptionState, replaced: EncryptionState
) -> None:
    conf = jetstream_conf(state)

    assert state.key.encode() not in conf
    assert jetstream_conf(replaced) == conf
    assert all(variable in conf for variable in (b"key: $", b"prev_key: $", b"cipher: $"))


def test_a_key_has_the_entropy_of_32_bytes_and_never_shows(state: EncryptionState) -> None:
    assert state.key == f"k{1:064x}"
    assert state.key not in repr(state)
    assert state.key not in str(Progress(state, THREE_CURRENT).to_status())
    assert state.key_id not in state.key


def test_what_the_secret_holds_reads_back(state: EncryptionState, replaced: EncryptionState) -> None:
    for one in (state, replaced):
        assert read_state(one.to_data(), secret=SECRET) == one


def test_another_cipher_keeps_the_key_and_shows_on_servers(
    state: EncryptionState, entropy: Callable[[], bytes]
) -> None:
    changed = brought_up(state, cipher="AES", token="", entropy=entropy)

    assert changed.key == state.key
    assert changed.loaded_id != state.loaded_id
    assert (changed.to_data()["cipher"], state.to_data()["cipher"]) == (b"aes", b"chacha")


def test_who_asked_before_there_was_a_key_has_a_new_one(entropy: Callable[[], bytes]) -> None:
    state = brought_up(None, cipher="AES", token=FIRST, entropy=entropy)

    assert advanced(state, token=FIRST, servers=THREE_CURRENT, entropy=entropy) == state


@pytest.mark.parametrize(
    "servers", [{}, {"nats-0": False}, THREE_CURRENT | {"nats-1": False}], ids=["none", "one", "one of three"]
)
def test_no_key_is_replaced_before_every_server_has_it(
    state: EncryptionState, entropy: Callable[[], bytes], servers: dict[str, bool]
) -> None:
    assert advanced(state, token=THEFT, servers=servers, entropy=entropy) == state


def test_a_token_replaces_the_key_once(replaced: EncryptionState, entropy: Callable[[], bytes]) -> None:
    settled = advanced(replaced, token=THEFT, servers=THREE_CURRENT, entropy=entropy)

    assert advanced(settled, token=THEFT, servers=THREE_CURRENT, entropy=entropy) == settled


def test_a_token_that_comes_while_servers_are_restarted_is_heeded_after_it(
    replaced: EncryptionState, entropy: Callable[[], bytes]
) -> None:
    waiting = advanced(replaced, token=AGAIN, servers=THREE_CURRENT | {"nats-2": False}, entropy=entropy)
    assert waiting == replaced

    settled = advanced(waiting, token=AGAIN, servers=THREE_CURRENT, entropy=entropy)
    again = advanced(settled, token=AGAIN, servers=THREE_CURRENT, entropy=entropy)

    assert (settled.key, settled.former) == (replaced.key, "")
    assert (again.key != replaced.key, again.former) == (True, replaced.key)


def test_servers_of_a_cluster_never_get_the_former_key_for_with_it_they_would_spoil_what_they_cannot_read(
    state: EncryptionState, replaced: EncryptionState
) -> None:
    data = replaced.to_data()

    assert data["previous-key"] == data["key"] != state.key.encode()
    assert data["former-key"] == state.key.encode()


def test_a_server_alone_gets_the_former_key_to_save_its_messages(
    state: EncryptionState, entropy: Callable[[], bytes]
) -> None:
    alone = advanced(state, token=THEFT, servers={"nats-0": True}, entropy=entropy)

    assert alone.to_data()["previous-key"] == state.key.encode()


def test_the_former_key_is_gone_for_good_when_no_server_needs_it(
    state: EncryptionState, replaced: EncryptionState, entropy: Callable[[], bytes]
) -> None:
    settled = advanced(replaced, token=THEFT, servers=THREE_CURRENT, entropy=entropy)

    assert state.key.encode() not in settled.to_data().values()
    assert settled.stale(replaced.to_data()) == {"former-key"}


def test_the_status_says_who_has_to_be_restarted_and_how(state: EncryptionState, replaced: EncryptionState) -> None:
    some = {"nats-0": True, "nats-1": False}
    begun, moved = Progress(state, some), Progress(replaced, some)

    assert {begun.phase, moved.phase} == {Phase.RESTART_NEEDED}
    assert "kubectl rollout restart statefulset/nats; 1 of 2 have: nats-0" in begun.message
    assert "with an empty JetStream volume, one at a time" in moved.message
    assert begun.to_status()["servers"] == [{"name": "nats-0", "current": True}, {"name": "nats-1", "current": False}]
    assert (begun.condition().status, begun.condition().reason) == ("False", "RestartNeeded")


def test_a_server_alone_is_said_to_need_a_backup(state: EncryptionState, entropy: Callable[[], bytes]) -> None:
    alone = advanced(state, token=THEFT, servers={"nats-0": True}, entropy=entropy)

    assert "loses its durable consumers" in Progress(alone, {"nats-0": False}).message


def test_all_is_well_only_where_every_server_told_and_has_the_key(state: EncryptionState) -> None:
    assert Progress(state, THREE_CURRENT).phase is Phase.ACTIVE
    assert Progress(state, THREE_CURRENT).condition().status == "True"
    assert Progress(state, {}).phase is Phase.RESTART_NEEDED
    assert "no nats-server has told" in Progress(state, {}).message


def test_a_key_is_known_by_the_status_while_it_is_replaced_too(
    state: EncryptionState, replaced: EncryptionState
) -> None:
    before, after = (in_use({"encryptionAtRest": Progress(s, {}).to_status()}) for s in (state, replaced))

    for known in (before, after):
        assert read_state(replaced.to_data(), secret=SECRET, known=known) == replaced


def test_a_backup_from_before_the_replacement_is_refused(state: EncryptionState, replaced: EncryptionState) -> None:
    with pytest.raises(TrustDamagedError, match="another key than what JetStream stored needs"):
        read_state(state.to_data(), secret=SECRET, known=replaced.key_id)


@pytest.mark.parametrize(
    "harm",
    [{"key": b"mischief"}, {"key": b"k\xff"}, {"cipher": b"rot13"}, {"former-key": b"x"}],
    ids=["another text", "no text", "another cipher", "former key"],
)
def test_a_damaged_secret_is_told_and_never_shown(state: EncryptionState, harm: dict[str, bytes]) -> None:
    with pytest.raises(TrustDamagedError, match="restore the Secret from its backup") as caught:
        read_state(state.to_data() | harm, secret=SECRET)

    assert "mischief" not in str(caught.value)


@pytest.mark.parametrize("records", [b"", b"[]", b"\xff", b'{"heeded": null}'])
def test_lost_records_cost_no_more_than_a_token_heeded_twice(state: EncryptionState, records: bytes) -> None:
    assert read_state(state.to_data() | {"records.json": records}, secret=SECRET).key == state.key
