"""No seed and no JWT gets into a log line, whoever writes it."""

import io
import json
import logging
from base64 import b64encode
from collections.abc import Iterator

import pytest
import structlog

from iotsec import logs
from iotsec.logs import masked
from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey

ACCOUNT = SigningKey.generate(KeyType.ACCOUNT, b"a" * 32)
USER = SigningKey.generate(KeyType.USER, b"u" * 32)
TOKEN = jwt.encode(UserClaims(limits=UserPermissionLimits()), ACCOUNT, subject=USER.public, issued_at=1)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where log lines go for the time of a test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("kind", sorted(KeyType), ids=lambda kind: kind.name.lower())
def test_a_seed_of_every_kind_is_masked(kind: KeyType) -> None:
    seed = SigningKey.generate(kind, b"k" * 32).seed.reveal().decode()

    assert masked(f"before {seed} after") == "before [masked] after"
    assert masked(f"x={seed},") == "x=[masked],"


def test_a_jwt_is_masked_whole_or_in_part() -> None:
    assert masked(f'"{TOKEN}"') == '"[masked]"'
    assert TOKEN[:60] not in masked(f"cut short: {TOKEN[:-40]}")


def test_a_creds_file_as_a_secret_has_it_is_masked() -> None:
    encoded = b64encode(creds.format_creds(TOKEN, USER)).decode()

    assert masked(f'{{"nats.creds":"{encoded}"}}') == '{"nats.creds":"[masked]"}'


def test_public_keys_and_plain_words_are_left() -> None:
    text = f"{USER.public} {ACCOUNT.public} a SUBSCRIPTION is no seed"

    assert masked(text) == text


def test_lines_of_our_own_and_of_libraries_are_json_and_masked(lines: io.StringIO) -> None:
    seed = USER.seed.reveal().decode()

    structlog.get_logger().info("event", text=f"seed {seed}", nested={"token": [TOKEN]}, action="test")
    logging.getLogger("library").warning("failed with %s", TOKEN)

    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["event"] for line in found] == ["event", "failed with [masked]"]
    assert found[0]["nested"] == {"token": ["[masked]"]}
    assert seed not in lines.getvalue()
    assert TOKEN not in lines.getvalue()


def test_exceptions_are_masked_too(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"bad token {TOKEN}")  # noqa: TRY301 - an exception is what the test is about
    except ValueError:
        structlog.get_logger().exception("unexpected failure")
        logging.getLogger("library").exception("the same in a library")

    assert "ValueError" in lines.getvalue()
    assert TOKEN not in lines.getvalue()
