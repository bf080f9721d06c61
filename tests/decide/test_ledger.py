"""What an account has revoked stays revoked as long as it matters, and no longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.ledger import (
    MAX_REVOCATIONS,
    Ledger,
    LedgerFullError,
    Revocation,
    merged_with_server,
    with_revocations,
    with_those_that_fit,
)
from iotsec.decide.times import CLOCK_LAG_SECONDS, is_over

NOW = 1_800_000_000
LATER = NOW + 20 + CLOCK_LAG_SECONDS
"""When what ended at NOW + 10 has ended for every server, however far its clock lags."""
KEYS = ["UA", "UB", "UC"]

revocations = st.builds(
    Revocation,
    account=st.just("A"),
    key=st.sampled_from(KEYS),
    at=st.integers(NOW - 1000, NOW + 10),
    until=st.integers(NOW - 500, NOW + 5000),
)


@given(st.lists(revocations), st.lists(revocations))
def test_nothing_that_still_matters_is_lost_and_order_does_not_count(
    first: list[Revocation], second: list[Revocation]
) -> None:
    ledger = with_revocations(with_revocations(Ledger(), first, now=NOW), second, now=NOW)

    for revocation in (*first, *second):
        assert is_over(revocation.until, NOW) or ledger.covers(revocation)
    assert ledger == with_revocations(Ledger(), (*second, *first), now=NOW)


@given(st.lists(revocations))
def test_what_is_in_already_changes_nothing(some: list[Revocation]) -> None:
    ledger = with_revocations(Ledger(), some, now=NOW)

    assert with_revocations(ledger, some, now=NOW) is ledger


@given(st.lists(revocations))
def test_it_is_written_and_read_back(some: list[Revocation]) -> None:
    ledger = with_revocations(Ledger(7, "digest"), some, now=NOW)

    assert Ledger.from_json(ledger.to_json()) == ledger


def test_a_later_revocation_lasts_as_long_as_the_longest() -> None:
    ledger = with_revocations(Ledger(), [Revocation("A", "UA", NOW, NOW + 900)], now=NOW)

    ledger = with_revocations(ledger, [Revocation("A", "UA", NOW + 5, NOW + 60)], now=NOW)

    assert ledger.entries == {"UA": (NOW + 5, NOW + 900)}


def test_entries_whose_jwts_have_expired_go_with_the_next_change() -> None:
    ledger = with_revocations(Ledger(), [Revocation("A", "UA", NOW, NOW + 10)], now=NOW)

    later = with_revocations(ledger, [Revocation("A", "UB", LATER, LATER + 90)], now=LATER)

    assert set(later.entries) == {"UB"}


def test_what_has_expired_is_kept_while_a_server_whose_clock_lags_may_accept_it() -> None:
    ledger = with_revocations(Ledger(), [Revocation("A", "UA", NOW, NOW + 10)], now=NOW)

    soon = with_revocations(ledger, [Revocation("A", "UB", NOW + 20, NOW + 90)], now=NOW + 20)

    assert set(soon.entries) == {"UA", "UB"}


def test_what_expired_just_now_is_taken_in_and_what_expired_for_every_server_is_not() -> None:
    just_now = Revocation("A", "UA", NOW - 900, NOW - CLOCK_LAG_SECONDS)
    long_since = Revocation("A", "UB", NOW - 900, NOW - CLOCK_LAG_SECONDS - 1)

    ledger = with_revocations(Ledger(), [just_now, long_since], now=NOW)

    assert dict(ledger.entries) == {"UA": (NOW - 900, NOW - CLOCK_LAG_SECONDS)}


def test_a_revocation_that_must_last_longer_than_the_one_there_is_not_covered() -> None:
    ledger = with_revocations(Ledger(), [Revocation("A", "UA", NOW, NOW + 10)], now=NOW)

    assert ledger.covers(Revocation("A", "UA", NOW, NOW + 10))
    assert not ledger.covers(Revocation("A", "UA", NOW, NOW + 11))


def test_expired_entries_alone_are_a_change_only_in_bulk() -> None:
    few = with_revocations(Ledger(), [Revocation("A", f"U{n}", NOW, NOW + 10) for n in range(499)], now=NOW)
    many = with_revocations(Ledger(), [Revocation("A", f"U{n}", NOW, NOW + 10) for n in range(500)], now=NOW)

    assert with_revocations(few, [], now=LATER) is few
    assert with_revocations(many, [], now=LATER).entries == {}


def test_more_than_an_account_jwt_can_carry_is_refused_until_something_expires() -> None:
    full = with_revocations(
        Ledger(), [Revocation("A", f"U{n}", NOW, NOW + 10) for n in range(MAX_REVOCATIONS)], now=NOW
    )
    one_more = [Revocation("A", "UX", NOW + 1, LATER + 99)]

    with pytest.raises(LedgerFullError, match="shorter duration"):
        with_revocations(full, one_more, now=NOW)

    assert set(with_revocations(full, one_more, now=LATER).entries) == {"UX"}


def test_one_of_too_many_may_still_be_made_later() -> None:
    too_many = Ledger(entries={f"U{n}": (NOW, NOW + 900) for n in range(MAX_REVOCATIONS + 1)})

    ledger = with_revocations(too_many, [Revocation("A", "U7", NOW + 5, NOW + 900)], now=NOW)

    assert ledger.entries["U7"] == (NOW + 5, NOW + 900)


def test_a_newer_jwt_on_a_server_gives_back_what_was_lost() -> None:
    ledger = Ledger(10, "digest", {"UA": (5, 50)})

    found = merged_with_server(ledger, server_issued_at=20, revocations={"UA": 4, "UB": 9}, until=900, oldest=None)

    assert (found.issued_at, found.digest) == (20, "")
    assert dict(found.entries) == {"UA": (5, 50), "UB": (9, 900)}


def test_a_newer_jwt_on_a_server_says_nothing_of_what_is_no_user() -> None:
    found = merged_with_server(Ledger(10), server_issued_at=20, revocations={"AA": 9, "UB": 9}, until=900, oldest=None)

    assert dict(found.entries) == {"UB": (9, 900)}


def test_an_older_jwt_on_a_server_says_nothing() -> None:
    ledger = Ledger(10, "digest", {"UA": (5, 50)})

    assert merged_with_server(ledger, server_issued_at=10, revocations={"UB": 9}, until=900, oldest=None) is ledger


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"issuedAt":1,"digest":"","revocations":{"UA":3}}'])
def test_something_else_is_no_ledger(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser's or ours
        Ledger.from_json(text)


def test_of_more_than_there_is_room_for_as_many_are_taken_in_as_fit_and_all_that_need_no_room() -> None:
    full = with_revocations(
        Ledger(), [Revocation("A", f"U{n}", NOW, NOW + 900) for n in range(MAX_REVOCATIONS - 2)], now=NOW
    )
    more = [Revocation("A", f"UX{n}", NOW, NOW + 900) for n in range(5)]
    later = Revocation("A", "U0", NOW + 5, NOW + 900)

    ledger = with_those_that_fit(full, [*more, later], now=NOW)

    assert [ledger.covers(revocation) for revocation in (*more, later)] == [True, True, False, False, False, True]
    assert ledger.carried == MAX_REVOCATIONS
