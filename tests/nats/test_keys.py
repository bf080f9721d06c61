"""nkeys: what is read is what was written, and no damage or mix-up passes."""

import copy
import hashlib
import pickle

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.nats.keys import (
    InvalidKey,
    KeyType,
    Seed,
    SigningKey,
    check_public_key,
    public_key_type,
    verify,
)

ENTROPY = st.binary(min_size=32, max_size=32)
KINDS = st.sampled_from(KeyType)
SIGNERS = st.sampled_from([kind for kind in KeyType if kind is not KeyType.CURVE])
USER = SigningKey.generate(KeyType.USER, bytes(32))
STRANGER = SigningKey.generate(KeyType.USER, hashlib.sha256(b"stranger").digest())
CURVE = SigningKey.generate(KeyType.CURVE, bytes(32))
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@given(KINDS, ENTROPY)
def test_a_key_is_read_back_from_its_seed(kind: KeyType, entropy: bytes) -> None:
    key = SigningKey.generate(kind, entropy)
    again = SigningKey.from_seed(key.seed.reveal() + b"\n", kind)
    assert again == key
    assert again.seed == key.seed
    assert again.kind is kind
    assert check_public_key(key.public, kind) == key.public
    assert key.seed.reveal().startswith(b"S" + kind.encode())


@given(SIGNERS, ENTROPY, st.binary(max_size=64))
def test_signatures_are_those_of_nkeys_and_of_one_message_and_key(
    kind: KeyType, entropy: bytes, message: bytes
) -> None:
    key = SigningKey.generate(kind, entropy)
    signature = key.sign(message)
    assert signature == nkeys.from_seed(key.seed.reveal()).sign(message)
    assert verify(key.public, message, signature)
    assert not verify(key.public, message + b"x", signature)
    assert not verify(STRANGER.public, message, signature)
    assert not verify(key.public, message, b"short")


@given(st.integers(0, 55), st.sampled_from(BASE32))
def test_one_wrong_character_in_a_public_key_is_noticed(position: int, letter: str) -> None:
    damaged = USER.public[:position] + letter + USER.public[position + 1 :]
    if damaged != USER.public:
        with pytest.raises(InvalidKey):
            public_key_type(damaged)


# The last character carries two bits that mean nothing, so it is left alone.
@given(st.integers(0, 56), st.sampled_from(BASE32))
def test_one_wrong_character_in_a_seed_is_noticed(position: int, letter: str) -> None:
    text = USER.seed.reveal().decode()
    damaged = text[:position] + letter + text[position + 1 :]
    if damaged != text:
        with pytest.raises(InvalidKey):
            SigningKey.from_seed(damaged.encode())


@given(st.text(max_size=80))
def test_text_that_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidKey) as refused:
        public_key_type(text)
    assert len(text) < 4 or text not in str(refused.value)
    with pytest.raises(InvalidKey) as refused:
        SigningKey.from_seed(text.encode())
    assert len(text) < 4 or text not in str(refused.value)


@pytest.mark.parametrize("spell", [str, str.lower, "{}\n".format])
def test_a_seed_where_a_public_key_belongs_is_named_and_not_repeated(spell: type[str]) -> None:
    seed = USER.seed.reveal().decode()
    with pytest.raises(InvalidKey, match="this is a seed") as refused:
        check_public_key(spell(seed), KeyType.USER)
    assert seed[2:20].lower() not in str(refused.value).lower()


def test_a_key_of_another_kind_is_refused_with_the_letter_to_look_for() -> None:
    with pytest.raises(InvalidKey, match="a user key: write the public key of an account, which starts with A"):
        check_public_key(USER.public, KeyType.ACCOUNT)
    with pytest.raises(InvalidKey, match="write the seed of an operator key"):
        SigningKey.from_seed(USER.seed, KeyType.OPERATOR)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_entropy_of_any_other_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidKey, match="32 bytes"):
        SigningKey.generate(KeyType.USER, bytes(length))


def test_a_curve_key_signs_nothing() -> None:
    with pytest.raises(InvalidKey, match="signs nothing"):
        CURVE.sign(b"")
    with pytest.raises(InvalidKey, match="signs nothing"):
        verify(CURVE.public, b"", bytes(64))


def test_a_seed_shows_nowhere() -> None:
    seed = USER.seed.reveal().decode()
    assert repr(USER.seed) == str(USER.seed) == f"{USER.seed}" == "Seed(U…masked)"
    assert repr(USER) == str(USER) == f"SigningKey({USER.public})"
    assert repr(Seed(b"")) == repr(Seed(b"rubbish")) == "Seed(?…masked)"
    assert seed not in repr([USER, USER.seed])


@pytest.mark.parametrize("secret", [USER, USER.seed])
def test_a_secret_is_neither_pickled_nor_copied(secret: object) -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            attempt(secret)


def test_seeds_are_equal_by_content_and_have_no_hash() -> None:
    assert Seed(b"SUA") == Seed(b"SUA\n") != Seed(b"SUB")
    assert Seed(b"SUA") != b"SUA"
    with pytest.raises(TypeError):
        hash(Seed(b"SUA"))


def test_signing_keys_are_equal_by_public_key() -> None:
    assert len({USER, SigningKey.from_seed(USER.seed), CURVE}) == 2
    assert USER.public != USER
