"""Tokens: what is signed is read back, what was touched is refused, and no message holds a token."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.nats.claims import (
    AccountClaims,
    ActivationClaims,
    Claims,
    GenericClaims,
    OperatorClaims,
    ShareKind,
    UserClaims,
)
from iotsec.nats.jwt import MAX_TOKEN_BYTES, Decoded, InvalidToken, TokenTooLarge, decode, encode
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey

OPERATOR, ACCOUNT, USER, SERVER, CURVE = (
    SigningKey.generate(kind, bytes(32))
    for kind in (KeyType.OPERATOR, KeyType.ACCOUNT, KeyType.USER, KeyType.SERVER, KeyType.CURVE)
)
TEXT = st.text(max_size=20)
SECONDS = st.integers(1, 2**40)
TOKEN = encode(UserClaims(issuer_account=ACCOUNT.public), ACCOUNT, subject=USER.public, name="x", issued_at=1700000000)


def chunk(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def signed(payload: Any, header: Any = None, signer: SigningKey = ACCOUNT) -> str:
    """A token with the signature it should have, whatever is in it."""
    message = f"{chunk({'typ': 'JWT', 'alg': 'ed25519-nkey'} if header is None else header)}.{chunk(payload)}"
    return f"{message}.{base64.urlsafe_b64encode(signer.sign(message.encode())).decode().rstrip('=')}"


def payload_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


@given(
    name=TEXT,
    audience=TEXT,
    issued_at=SECONDS,
    expires_at=st.none() | SECONDS,
    not_before=st.none() | SECONDS,
    tags=st.lists(TEXT, max_size=3),
)
def test_a_token_is_read_back_as_it_was_signed(
    *, name: str, audience: str, issued_at: int, expires_at: int | None, not_before: int | None, tags: list[str]
) -> None:
    claims = UserClaims(issuer_account=ACCOUNT.public, tags=tuple(tags))
    token = encode(
        claims,
        ACCOUNT,
        subject=USER.public,
        name=name,
        issued_at=issued_at,
        expires_at=expires_at,
        not_before=not_before,
        audience=audience,
    )
    found = decode(token)
    assert found.claims == claims
    assert (found.subject, found.issuer, found.name, found.audience) == (USER.public, ACCOUNT.public, name, audience)
    assert (found.issued_at, found.expires_at, found.not_before) == (issued_at, expires_at, not_before)
    assert len(found.jti) == 52


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_a_token_changed_anywhere_is_refused_and_not_repeated(position: int, letter: str) -> None:
    changed = TOKEN[:position] + letter + TOKEN[position + 1 :]
    # The last character of a part carries bits that mean nothing, so some changes change nothing.
    if outcome(changed) != decode(TOKEN):
        with pytest.raises(InvalidToken) as refused:
            decode(changed)
        assert not any(part and part in str(refused.value) for part in TOKEN.split("."))
        assert refused.value.__context__ is None or TOKEN[:20] not in repr(refused.value.__context__)


def outcome(token: str) -> Decoded | None:
    try:
        return decode(token)
    except InvalidToken:
        return None


@given(st.text(max_size=60))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    for verify in (True, False):
        with pytest.raises(InvalidToken):
            decode(text, verify=verify)


def test_the_jti_ignores_the_claims() -> None:
    other = encode(UserClaims(tags=("a",)), ACCOUNT, subject=USER.public, name="x", issued_at=1700000000)
    assert decode(other).jti == decode(TOKEN).jti


def test_a_signature_is_checked_unless_the_reader_knows_the_token() -> None:
    forged = TOKEN.rpartition(".")[0] + "." + "A" * 86
    with pytest.raises(InvalidToken, match="signature"):
        decode(forged)
    assert decode(forged, verify=False) == decode(TOKEN)


def test_a_token_signed_by_another_than_its_issuer_is_refused() -> None:
    payload = payload_of(TOKEN)
    stranger = SigningKey.generate(KeyType.ACCOUNT, bytes([1]) * 32)
    with pytest.raises(InvalidToken, match="signature"):
        decode(signed(payload, signer=stranger))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nats": {"type": "user", "version": 1}}, "version must be 2"),
        ({"nats": {"type": "user", "version": 3}}, "version must be 2"),
        ({"nats": {"type": "user"}}, "version must be 2"),
        ({"type": "user"}, "version must be 2"),
        ({"nats": []}, "nats must be an object"),
        ({"iat": "now"}, "iat must be a whole number"),
        ({"iss": USER.public}, "cannot be signed by a key of kind user"),
        ({"iss": ""}, "public key"),
        ({"sub": ACCOUNT.public}, "starts with U"),
        ({"sub": ""}, "public key"),
        ({"nats": {"type": "account", "version": 2}}, "starts with A"),
        ({"nats": {"type": "operator", "version": 2}}, "use operator"),
        ({"nats": {"type": "user", "version": 2, "pub": 3}}, "pub must be an object"),
    ],
)
def test_a_payload_that_breaks_the_rules_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidToken, match=reason):
        decode(signed(payload_of(TOKEN) | change))


@pytest.mark.parametrize(
    "header",
    [
        {},
        [],
        {"typ": "JWT", "alg": "none"},
        {"typ": "JWT", "alg": "HS256"},
        {"typ": "JWT", "alg": "ed25519"},
        {"alg": 1},
    ],
)
def test_any_other_header_is_refused(header: object) -> None:
    with pytest.raises(InvalidToken, match="header"):
        decode(signed(payload_of(TOKEN), header))


def test_a_header_is_read_in_any_case_as_go_does() -> None:
    assert decode(signed(payload_of(TOKEN), {"typ": "jwt", "alg": "ED25519-NKEY"})) == decode(TOKEN)


def test_claims_nested_beyond_reason_are_refused() -> None:
    nested: object = 1
    for _ in range(900):
        nested = [nested]
    with pytest.raises(InvalidToken):
        decode(signed(payload_of(TOKEN) | {"nats": {"type": "deep", "version": 2, "a": nested}}))


@pytest.mark.parametrize(
    ("claims", "signer", "subject"),
    [
        (UserClaims(), OPERATOR, USER.public),
        (AccountClaims(), USER, ACCOUNT.public),
        (OperatorClaims(), ACCOUNT, OPERATOR.public),
        (ActivationClaims("a", ShareKind.STREAM), USER, ACCOUNT.public),
        (GenericClaims(), CURVE, "anything"),
        (GenericClaims(), SERVER, ""),
    ],
)
def test_claims_are_signed_only_by_those_who_may(claims: Claims, signer: SigningKey, subject: str) -> None:
    with pytest.raises(InvalidToken):
        encode(claims, signer, subject=subject, issued_at=1)


@pytest.mark.parametrize(
    ("claims", "signer", "subject"),
    [
        (UserClaims(), ACCOUNT, ACCOUNT.public),
        (AccountClaims(), OPERATOR, USER.public),
        (OperatorClaims(), OPERATOR, ACCOUNT.public),
        (ActivationClaims("a", ShareKind.STREAM), ACCOUNT, USER.public),
    ],
)
def test_claims_are_about_the_right_kind_of_key(claims: Claims, signer: SigningKey, subject: str) -> None:
    with pytest.raises(InvalidKey, match="write the public key"):
        encode(claims, signer, subject=subject, issued_at=1)


def test_what_has_no_json_form_is_refused() -> None:
    for data in ({"a": object()}, {"a": "\ud800"}):
        with pytest.raises(InvalidToken, match="JSON form"):
            encode(GenericClaims(data), ACCOUNT, subject="x", issued_at=1)


def test_a_token_beyond_what_servers_read_is_neither_made_nor_read() -> None:
    with pytest.raises(TokenTooLarge, match=str(MAX_TOKEN_BYTES)) as refused:
        encode(AccountClaims(description="x" * MAX_TOKEN_BYTES), OPERATOR, subject=ACCOUNT.public, issued_at=1)
    assert refused.value.size > MAX_TOKEN_BYTES
    with pytest.raises(TokenTooLarge):
        decode("x" * (MAX_TOKEN_BYTES + 1))
