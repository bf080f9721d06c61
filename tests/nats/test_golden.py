"""Tokens of ours are, byte for byte, those the Go library of NATS writes (`tests/go/golden`)."""

import json
from pathlib import Path
from typing import Any

import pytest

from iotsec.nats.creds import format_creds, parse_creds
from iotsec.nats.jwt import decode, encode
from iotsec.nats.keys import KeyType, SigningKey, public_key_type

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


def key_of(public: str) -> SigningKey:
    return SigningKey.from_seed(GOLDEN["seeds"][public].encode())


def test_every_golden_token_has_its_claims_here(vectors: dict[str, Any]) -> None:
    assert set(vectors) == set(GOLDEN["tokens"])


@pytest.mark.parametrize("case", sorted(GOLDEN["tokens"]))
def test_the_same_claims_give_the_token_go_writes(case: str, vectors: dict[str, Any]) -> None:
    claims, signer, envelope = vectors[case]
    assert encode(claims, signer, issued_at=GOLDEN["issued_at"], **envelope) == GOLDEN["tokens"][case]


@pytest.mark.parametrize("case", sorted(GOLDEN["tokens"]))
def test_a_token_of_go_reads_as_the_claims_it_was_made_of(case: str, vectors: dict[str, Any]) -> None:
    claims, signer, envelope = vectors[case]
    found = decode(GOLDEN["tokens"][case])
    assert found.claims == claims
    assert (found.subject, found.issuer, found.issued_at) == (
        envelope["subject"],
        signer.public,
        GOLDEN["issued_at"],
    )
    assert (found.name, found.audience) == (envelope.get("name", ""), envelope.get("audience", ""))
    assert (found.expires_at, found.not_before) == (envelope.get("expires_at"), envelope.get("not_before"))


def test_every_kind_of_key_has_the_text_forms_of_go() -> None:
    for public, seed in GOLDEN["seeds"].items():
        key = key_of(public)
        assert (key.public, key.kind, key.seed.reveal().decode()) == (public, public[0], seed)
        assert public_key_type(public) is key.kind
    assert {public[0] for public in GOLDEN["seeds"]} == set(KeyType)


@pytest.mark.parametrize("case", sorted(GOLDEN["creds"]))
def test_a_credentials_file_is_the_one_go_writes(case: str) -> None:
    token, expected = GOLDEN["tokens"][case], GOLDEN["creds"][case].encode()
    user = key_of(decode(token).subject)
    assert format_creds(token, user) == expected
    assert format_creds(token, user.seed) == expected
    assert parse_creds(expected) == (token, user)
