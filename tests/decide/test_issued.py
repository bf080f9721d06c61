"""The note of what was issued: read back as it was written, and nobody else's to write."""

import pytest
from decide.notes import ACCOUNT, PLACE
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.issued import Former, Issued
from iotsec.decide.ledger import Revocation

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


@given(st.text(max_size=200))
def test_no_text_whatever_does_more_than_be_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser's or ours
        Issued.from_json(text)
