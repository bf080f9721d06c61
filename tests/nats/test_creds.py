"""Credentials files: only a user's own seed and JWT make one, and both come back out of it."""

import pytest

from iotsec.nats.claims import AccountClaims, UserClaims
from iotsec.nats.creds import InvalidCreds, format_creds, parse_creds
from iotsec.nats.jwt import InvalidToken, encode
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey

ACCOUNT = SigningKey.generate(KeyType.ACCOUNT, bytes(32))
USER, OTHER = (SigningKey.generate(KeyType.USER, bytes([n]) * 32) for n in (1, 2))
TOKEN = encode(UserClaims(issuer_account=ACCOUNT.public), ACCOUNT, subject=USER.public, issued_at=1)
CREDS = format_creds(TOKEN, USER)


def assert_silent(message: str) -> None:
    assert TOKEN not in message
    for key in (USER, OTHER, ACCOUNT):
        assert key.seed.reveal().decode() not in message


def test_the_seed_of_another_user_is_refused() -> None:
    with pytest.raises(InvalidCreds, match="one user together") as refused:
        format_creds(TOKEN, OTHER)
    assert_silent(str(refused.value))


def test_the_seed_of_an_account_is_refused() -> None:
    with pytest.raises(InvalidKey, match="seed of a user key") as refused:
        format_creds(TOKEN, ACCOUNT.seed)
    assert_silent(str(refused.value))


def test_the_jwt_of_an_account_is_refused() -> None:
    account = encode(AccountClaims(), ACCOUNT, subject=ACCOUNT.public, issued_at=1)
    with pytest.raises(InvalidToken, match="user JWT"):
        format_creds(account, USER)


def test_a_file_written_on_windows_or_with_text_around_it_is_read() -> None:
    assert parse_creds(CREDS.replace(b"\n", b"\r\n")) == (TOKEN, USER)
    assert parse_creds(b"# mine\n" + CREDS.rstrip(b"*\n")) == (TOKEN, USER)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"nonsense",
        TOKEN.encode(),
        CREDS[:400],
        CREDS.replace(USER.seed.reveal(), OTHER.seed.reveal()),
        CREDS.replace(USER.seed.reveal(), ACCOUNT.seed.reveal()),
        CREDS.replace(USER.seed.reveal(), USER.seed.reveal()[:-2] + b"AA"),
        CREDS.replace(TOKEN.encode(), TOKEN.encode()[:-4] + b"AAAA"),
    ],
)
def test_a_file_that_would_not_log_in_is_refused_and_not_repeated(contents: bytes) -> None:
    with pytest.raises(InvalidCreds) as refused:
        parse_creds(contents)
    assert_silent(str(refused.value))
