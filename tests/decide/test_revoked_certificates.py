"""Which certificates ended early: nothing is forgotten before its time, and all that is written can be read."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.revoked_certificates import (
    ENTRY_BYTES,
    MAX_BYTES,
    RevokedCertificate,
    RevokedCertificates,
    RevokedCertificatesFullError,
)
from iotsec.decide.times import CLOCK_LAG_SECONDS
from iotsec.x509.revocation import Revoked

NOW = 1_790_000_000
DAY = 24 * 60 * 60
OURS, THEIRS = "ab" * 20, "cd" * 20
NONE = RevokedCertificates()
SECRET_BYTES = 1024 * 1024

ENDED = st.builds(
    RevokedCertificate,
    serial=st.integers(1, 50),
    issuer=st.sampled_from([OURS, THEIRS]),
    at=st.integers(NOW - DAY, NOW),
    expires_at=st.integers(NOW - DAY, NOW + DAY),
)


def ended(serial: int = 7, *, issuer: str = OURS, at: int = NOW, expires_at: int = NOW + DAY) -> RevokedCertificate:
    return RevokedCertificate(serial, issuer, at, expires_at)


def many(count: int, *, expires_at: int = NOW + DAY) -> list[RevokedCertificate]:
    """As large as entries become: serials of 127 bits."""
    serials = (int.from_bytes(hashlib.sha256(b"%d" % n).digest()[:16], "big") >> 1 | 1 << 126 for n in range(count))
    return [ended(serial, expires_at=expires_at) for serial in serials]


def test_a_certificate_is_an_authority_s_own_serial() -> None:
    revoked = NONE.with_revoked([ended(7)], now=NOW)

    assert revoked.covers(7, OURS)
    assert not revoked.covers(7, THEIRS)
    assert not revoked.covers(8, OURS)
    assert (revoked.revoked_at(7, OURS), revoked.revoked_at(7, THEIRS)) == (NOW, None)
    assert list(revoked.of(OURS)) == [Revoked(7, NOW)]
    assert list(revoked.of(THEIRS)) == []


def test_what_ended_cannot_end_again() -> None:
    revoked = NONE.with_revoked([ended(7, at=NOW - 60)], now=NOW)

    assert revoked.with_revoked([ended(7, at=NOW)], now=NOW) is revoked


def test_the_number_grows_with_every_change_and_with_nothing_else() -> None:
    one = NONE.with_revoked([ended(7)], now=NOW)
    two = one.with_revoked([ended(8), ended(9)], now=NOW)

    assert [revoked.number for revoked in (NONE, one, two)] == [0, 1, 2]
    assert two.with_revoked([], now=NOW) is two
    assert two.with_revoked([ended(8)], now=NOW) is two
    assert two.pruned(NOW) is two


def test_an_entry_is_kept_until_the_slowest_clock_sees_the_certificate_expired() -> None:
    revoked = NONE.with_revoked([ended(7, expires_at=NOW + DAY)], now=NOW)
    end = NOW + DAY + CLOCK_LAG_SECONDS

    assert revoked.pruned(end, at_least=1).covers(7, OURS)
    assert not revoked.pruned(end + 1, at_least=1).covers(7, OURS)
    assert revoked.pruned(end + 1, at_least=1).number > revoked.number


def test_a_few_expired_entries_are_no_reason_to_write() -> None:
    few = NONE.with_revoked(many(499), now=NOW)
    enough = NONE.with_revoked(many(500), now=NOW)

    assert few.pruned(NOW + 2 * DAY) is few
    assert len(enough.pruned(NOW + 2 * DAY)) == 0


def test_what_has_expired_already_is_not_taken_in() -> None:
    assert NONE.with_revoked([ended(7, expires_at=NOW - DAY)], now=NOW) is NONE


@given(st.lists(ENDED), st.lists(ENDED), st.integers(NOW, NOW + 2 * DAY))
def test_nothing_is_forgotten_before_its_time_in_whatever_order_it_came(
    first: list[RevokedCertificate], then: list[RevokedCertificate], later: int
) -> None:
    revoked = NONE.with_revoked(first, now=NOW).with_revoked(then, now=later).pruned(later, at_least=1)

    needed = [one for one in (*first, *then) if one.expires_at + CLOCK_LAG_SECONDS >= later]
    assert all(revoked.covers(one.serial, one.issuer) for one in needed)
    assert len(revoked) == len({(one.serial, one.issuer) for one in needed})


@given(st.lists(ENDED), st.integers(0, 10))
def test_it_is_read_as_it_was_written_and_written_the_same_for_the_same(
    certificates: list[RevokedCertificate], number: int
) -> None:
    revoked = RevokedCertificates(number).with_revoked(certificates, now=NOW)

    again = RevokedCertificates.from_json(revoked.to_json())

    assert again == revoked
    assert again.to_json() == revoked.to_json()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"rubbish",
        b"[]",
        b"{}",
        b'{"number":1}',
        b'{"number":1,"revoked":[]}',
        b'{"number":1,"revoked":{"ab":{"zz":[1,2]}}}',
        b'{"number":1,"revoked":{"ab":{"1":[1]}}}',
        b'{"number":null,"revoked":{}}',
    ],
)
def test_what_it_did_not_write_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="these are no revoked certificates"):
        RevokedCertificates.from_json(text)


def test_as_many_as_a_secret_can_hold_are_written_and_one_more_is_refused() -> None:
    certificates = many(18_000)
    full = NONE.with_those_that_fit(certificates, now=NOW)

    # Of 127 bits each, with times of this century.
    assert 16_500 < len(full) < 17_000
    assert full.size <= MAX_BYTES < SECRET_BYTES
    with pytest.raises(RevokedCertificatesFullError, match="ended early, and no more can be written down"):
        full.with_revoked(certificates, now=NOW)
    assert full.with_those_that_fit(certificates[: len(full)], now=NOW) is full


def test_whoever_does_not_fit_is_waited_for_by_nobody_and_fits_another_time() -> None:
    certificates = many(18_000)
    last = certificates[-1]

    full = NONE.with_those_that_fit(certificates, now=NOW)

    assert full.covers(last.serial, last.issuer)
    assert not RevokedCertificates.from_json(full.to_json()).covers(last.serial, last.issuer)


def test_one_that_is_full_has_room_when_others_expire() -> None:
    full = NONE.with_those_that_fit(many(18_000), now=NOW)
    new = ended(7, at=NOW + 2 * DAY, expires_at=NOW + 9 * DAY)

    assert full.with_those_that_fit([new], now=NOW + 2 * DAY).covers(7, OURS)
    assert len(full.with_revoked([new], now=NOW + 2 * DAY)) == 1


def test_an_entry_is_no_larger_than_is_reckoned_with() -> None:
    revoked = NONE.with_revoked(many(1000), now=NOW)

    assert revoked.size / 1000 < ENTRY_BYTES
    assert json.loads(revoked.to_json())["number"] == 1
