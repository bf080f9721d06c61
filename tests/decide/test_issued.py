"""The note of what was issued: read back as it was written, and nobody else's to write."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.issued import Former, Issued
from iotsec.decide.ledger import Revocation
from iotsec.nats.keys import KeyType, SigningKey

ACCOUNT = SigningKey.generate(KeyType.ACCOUNT, b"a" * 32)
NOTE = Issued(
    account=ACCOUNT.public,
    key="UA",
    id="weather-01",
    issued_at=100,
    expires_at=200,
    valid_until=300,
    signer="AS",
    key_at=90,
    digest="d",
    layout="l",
    keys=("nats.creds", "user.jwt"),
    revision=3,
    superseded=(Revocation("A", "UB", 50, 150),),
    formers=(Former("UC", 80, 180, 120, "AS"),),
    heeded=("now",),
)
PLACE = {"secret": "iot/weather-01-device-creds", "owner": "uid"}

words = st.text(max_size=20)
times = st.integers(0, 2**40)
notes = st.builds(
    Issued,
    account=words,
    key=words,
    id=words,
    issued_at=times,
    expires_at=times,
    valid_until=times,
    signer=words,
    key_at=times,
    digest=words,
    layout=words,
    keys=st.lists(words, max_size=4).map(tuple),
    revision=times,
    superseded=st.lists(st.builds(Revocation, words, words, times, times), max_size=4).map(tuple),
    formers=st.lists(st.builds(Former, words, times, times, times, words), max_size=4).map(tuple),
    heeded=st.lists(words, max_size=2).map(tuple),
)


@given(notes)
def test_a_note_is_read_back_as_it_was_written_and_its_seal_still_fits(note: Issued) -> None:
    read = Issued.from_json(note.to_json())

    assert read == note
    assert read.is_sealed(note.seal(ACCOUNT, **PLACE), ACCOUNT, **PLACE)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "UX"},
        {"account": "AX"},
        {"issued_at": 101},
        {"valid_until": 301},
        {"superseded": ()},
        {"superseded": (Revocation("A", "UX", 50, 150),)},
        {"revision": 4},
        {"signer": "AX"},
        {"formers": ()},
        {"heeded": ("never",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_note_does_not_fit_the_seal(change: dict[str, object]) -> None:
    seal = NOTE.seal(ACCOUNT, **PLACE)

    assert not replace(NOTE, **change).is_sealed(seal, ACCOUNT, **PLACE)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [{**PLACE, "secret": "iot/copy"}, {**PLACE, "owner": "another"}], ids=str)
def test_a_note_somewhere_else_does_not_fit_the_seal(place: dict[str, str]) -> None:
    assert not NOTE.is_sealed(NOTE.seal(ACCOUNT, **PLACE), ACCOUNT, **place)


def test_another_accounts_key_does_not_make_the_seal() -> None:
    other = SigningKey.generate(KeyType.ACCOUNT, b"b" * 32)

    assert not NOTE.is_sealed(NOTE.seal(other, **PLACE), ACCOUNT, **PLACE)


@pytest.mark.parametrize(
    "text",
    ["", "?", "[]", "null", "1", "{}", '{"account":1}', "[" * 100_000, '{"iat":1e999}'],
    ids=lambda text: text[:10],
)
def test_what_somebody_else_wrote_is_told_from_a_note(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser's or ours
        Issued.from_json(text)


@given(st.text(max_size=200))
def test_no_text_whatever_does_more_than_be_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser's or ours
        Issued.from_json(text)
