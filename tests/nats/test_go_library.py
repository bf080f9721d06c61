"""What the Go library inside nats-server thinks of tokens of ours."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iotsec.nats.jwt import encode
from iotsec.nats.keys import SigningKey
from testbed import binaries

GO_MODULE = Path(__file__).parents[1] / "go"

# What the library itself frowns on, though it reads and writes it.
FROWNED_ON = {
    "account-self-signed": ["self-signed account JWTs shouldn't contain operator limits"],
    "account-old-import": ["the field to has been deprecated (use LocalSubject instead)"],
}


def test_it_finds_no_issue_in_any_type_of_claims_and_would_write_them_the_same(
    vectors: dict[str, tuple[Any, SigningKey, dict[str, Any]]],
    go_check: Callable[[list[str]], list[dict[str, Any]]],
) -> None:
    cases = sorted(vectors)
    tokens = [
        encode(claims, signer, issued_at=1, **envelope) for claims, signer, envelope in map(vectors.__getitem__, cases)
    ]
    found = dict(zip(cases, go_check(tokens), strict=True))
    assert found == {
        case: {"type": case.split("-")[0], "issues": FROWNED_ON.get(case, []), "same": True} for case in cases
    }


@pytest.mark.parametrize("damage", ["x", "a.b.c", ""])
def test_it_refuses_what_is_no_token(damage: str, go_check: Callable[[list[str]], list[dict[str, Any]]]) -> None:
    (verdict,) = go_check([damage])
    assert verdict["error"]


def test_the_golden_vectors_are_what_it_writes() -> None:
    subprocess.run([binaries.find("go"), "test", "./golden"], cwd=GO_MODULE, check=True)
