"""A note on a Secret counts as the operator wrote it, where he wrote it, and nobody else can write one."""

from dataclasses import replace
from typing import Any

import pytest
from decide.notes import ACCOUNT, CERTIFICATE, CREDENTIAL, PLACE

from iotsec.decide.certificate_note import CertificateNote, IssuedCertificate
from iotsec.decide.issued import Issued
from iotsec.decide.ledger import Revocation
from iotsec.nats.keys import KeyType, SigningKey

Note = Issued | CertificateNote
either = pytest.mark.parametrize("note", [CREDENTIAL, CERTIFICATE], ids=lambda note: type(note).__name__)


@pytest.mark.parametrize(
    ("note", "change"),
    [
        (CREDENTIAL, {"key": "UX"}),
        (CREDENTIAL, {"account": "AX"}),
        (CREDENTIAL, {"issued_at": 101}),
        (CREDENTIAL, {"valid_until": 301}),
        (CREDENTIAL, {"superseded": ()}),
        (CREDENTIAL, {"superseded": (Revocation("A", "UX", 50, 150),)}),
        (CREDENTIAL, {"revision": 4}),
        (CREDENTIAL, {"signer": "AX"}),
        (CREDENTIAL, {"formers": ()}),
        (CREDENTIAL, {"heeded": ("never",)}),
        (CERTIFICATE, {"serial": 4711}),
        (CERTIFICATE, {"issuer": "00" * 20}),
        (CERTIFICATE, {"expires_at": 201}),
        (CERTIFICATE, {"id": "pump-07"}),
        (CERTIFICATE, {"superseded": ()}),
        (CERTIFICATE, {"superseded": (IssuedCertificate(4711, "ab", 150),)}),
        (CERTIFICATE, {"formers": (IssuedCertificate(4711, "ab", 150),)}),
        (CERTIFICATE, {"revision": 4}),
        (CERTIFICATE, {"generation": "h"}),
        (CERTIFICATE, {"heeded": ("never",)}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else type(value).__name__,
)
def test_a_changed_note_does_not_fit_the_seal(note: Note, change: dict[str, Any]) -> None:
    seal = note.seal(ACCOUNT, **PLACE)

    assert not replace(note, **change).is_sealed(seal, ACCOUNT, **PLACE)


@either
@pytest.mark.parametrize("place", [{**PLACE, "secret": "iot/copy"}, {**PLACE, "owner": "another"}], ids=str)
def test_a_note_somewhere_else_does_not_fit_the_seal(note: Note, place: dict[str, str]) -> None:
    assert not note.is_sealed(note.seal(ACCOUNT, **PLACE), ACCOUNT, **place)


@either
def test_another_accounts_key_does_not_make_the_seal(note: Note) -> None:
    other = SigningKey.generate(KeyType.ACCOUNT, b"b" * 32)

    assert not note.is_sealed(note.seal(other, **PLACE), ACCOUNT, **PLACE)


@either
@pytest.mark.parametrize(
    "text",
    ["", "?", "[]", "null", "1", "{}", '{"account":1}', '{"serial":1}', "[" * 100_000, '{"iat":1e999}'],
    ids=lambda text: text[:10],
)
def test_what_somebody_else_wrote_is_told_from_a_note(note: Note, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser's or ours
        type(note).from_json(text)
