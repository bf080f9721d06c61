"""The note of a certificate: read back as it was written, and nobody else's to write."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.certificate_note import CertificateNote, IssuedCertificate
from iotsec.decide.issued import Issued
from iotsec.nats.keys import KeyType, SigningKey

ACCOUNT = SigningKey.generate(KeyType.ACCOUNT, b"a" * 32)
NOTE = CertificateNote(
    account=ACCOUNT.public,
    serial=2**126 + 1,
    issuer="ab" * 20,
    generation="g",
    issued_at=100,
    expires_at=200,
    key="cd" * 32,
    id="weather-01",
    dns_names=("weather.example.com",),
    ip_addresses=("10.0.0.7",),
    shape="s",
    request="r",
    layout="l",
    bundle="b",
    keys=("ca.crt", "tls.crt"),
    revision=3,
    superseded=(IssuedCertificate(7, "ab", 150),),
    formers=(IssuedCertificate(8, "ab", 160),),
    heeded=("now",),
)
PLACE = {"secret": "iot/weather-01-device-tls", "owner": "uid"}

words = st.text(max_size=20)
times = st.integers(0, 2**40)
several = st.lists(words, max_size=4).map(tuple)
certificates = st.builds(IssuedCertificate, st.integers(1, 2**127), words, times)
notes = st.builds(
    CertificateNote,
    account=words,
    serial=st.integers(1, 2**127),
    issuer=words,
    generation=words,
    issued_at=times,
    expires_at=times,
    key=words,
    id=words,
    dns_names=several,
    ip_addresses=several,
    shape=words,
    request=words,
    layout=words,
    bundle=words,
    keys=several,
    revision=times,
    superseded=st.lists(certificates, max_size=4).map(tuple),
    formers=st.lists(certificates, max_size=4).map(tuple),
    heeded=several,
)


@given(notes)
def test_a_note_is_read_back_as_it_was_written_and_its_seal_still_fits(note: CertificateNote) -> None:
    read = CertificateNote.from_json(note.to_json())

    assert read == note
    assert read.is_sealed(note.seal(ACCOUNT, **PLACE), ACCOUNT, **PLACE)


@pytest.mark.parametrize(
    "change",
    [
        {"serial": 4711},
        {"issuer": "00" * 20},
        {"expires_at": 201},
        {"id": "pump-07"},
        {"superseded": ()},
        {"superseded": (IssuedCertificate(4711, "ab", 150),)},
        {"formers": (IssuedCertificate(4711, "ab", 150),)},
        {"revision": 4},
        {"generation": "h"},
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
    ["", "?", "[]", "null", "1", "{}", '{"serial":1}', "[" * 100_000, '{"iat":1e999}'],
    ids=lambda text: text[:10],
)
def test_what_somebody_else_wrote_is_told_from_a_note(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser's or ours
        CertificateNote.from_json(text)


def test_a_note_of_a_credential_is_as_it_was_where_there_is_no_bundle() -> None:
    note = Issued("A", "U", "x", 1, 2, 2, "S", 1, "d", "l", ("user.jwt",))

    assert "bundle" not in note.to_json()
    assert Issued.from_json(replace(note, bundle="b").to_json()).bundle == "b"
