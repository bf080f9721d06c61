"""A ledger that would overflow says one thing about everybody, and cuts off nobody by it who should work."""

from dataclasses import replace
from types import MappingProxyType

from decide.key_material import user_key
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide import names
from iotsec.decide.compaction import COMPACT_FROM, ON_ITS_WAY_SECONDS, compacted, oldest_in_use
from iotsec.decide.issued import Former, Issued
from iotsec.decide.ledger import EVERYBODY, Ledger, Revocation
from iotsec.decide.secrets import Owner, SecretFacts

NOW = 1_800_000_000
HUB = "iot/plant"


def ledger_of(times: list[int]) -> Ledger:
    """A ledger with an entry for each of these times, and enough others, long ago, to be worth a look."""
    entries = {f"U{n}": (NOW - 10**6, NOW + 10**6) for n in range(COMPACT_FROM)}
    entries |= {f"UX{n}": (at, at + 10**6) for n, at in enumerate(times)}
    return Ledger(NOW, "", MappingProxyType(entries))


def secret(issued: Issued | None, *, hub: str = HUB) -> SecretFacts:
    """A creds Secret with this note."""
    return SecretFacts(
        namespace="iot",
        name="a",
        uid="uid",
        resource_version="1",
        owner=Owner("Device", "a", "owner"),
        component=names.CREDENTIALS,
        hub=hub,
        deleting=False,
        finalizers=(),
        issued=issued,
        seal="",
        suspect=False,
    )


def issued(at: int, *formers: Former, account: str = "A") -> Issued:
    """A note of a JWT issued then."""
    return Issued(
        account=account,
        key=user_key(1),
        id="a",
        issued_at=at,
        expires_at=at + 10**6,
        valid_until=at + 10**6,
        signer="AS",
        key_at=at,
        digest="",
        layout="",
        keys=(),
        formers=formers,
    )


@given(st.lists(st.integers(NOW - 10**6, NOW)), st.integers(NOW - 10**6 + 1, NOW), st.integers(NOW - 10**6, NOW))
def test_whoever_was_revoked_stays_so_and_nobody_is_who_was_issued_a_jwt_from_then_on(
    times: list[int], oldest: int, issued_at: int
) -> None:
    before = ledger_of(times)

    after = compacted(before, oldest=oldest)

    assert len(after.entries) < len(before.entries)
    for key, (at, until) in before.entries.items():
        assert after.covers(Revocation("A", key, at, until))
    works = issued_at >= oldest
    assert not works or after.revoked_at("USOMEBODY") < issued_at


def test_it_stays_as_it_is_while_there_is_room_or_nothing_is_known() -> None:
    small = Ledger(NOW, "", MappingProxyType({"UA": (NOW - 99, NOW + 99)}))
    large = ledger_of([])

    assert compacted(small, oldest=NOW) is small
    assert compacted(large, oldest=None) is large


def test_it_stays_as_it_is_where_little_would_be_won() -> None:
    large = ledger_of([])

    assert compacted(large, oldest=NOW - 10**6) is large


def test_compacting_again_moves_the_one_entry_on() -> None:
    once = compacted(ledger_of([]), oldest=NOW - 500)
    fuller = replace(once, entries=MappingProxyType({**once.entries, **ledger_of([]).entries}))

    again = compacted(fuller, oldest=NOW - 10)

    assert again.entries[EVERYBODY] == (NOW - 11, NOW + 10**6)


def test_the_one_entry_never_goes_back_whatever_old_secret_is_put_back() -> None:
    once = compacted(ledger_of([]), oldest=NOW - 500)
    fuller = replace(once, entries=MappingProxyType({**once.entries, **ledger_of([]).entries}))

    again = compacted(fuller, oldest=NOW - 10**5)

    assert again.entries[EVERYBODY] == (NOW - 501, NOW + 10**6)
    assert again.covers(Revocation("A", "ULONGGONE", NOW - 501, NOW + 10**6))


def test_the_oldest_that_works_is_looked_for_among_the_jwts_of_the_account_and_those_before_them() -> None:
    former = Former("U", NOW - 3000, NOW + 9, NOW + 9, "AS")
    over = Former("U", NOW - 9000, NOW + 9, NOW - 1, "AS")
    secrets = [
        secret(issued(NOW - 1000, former, over)),
        secret(issued(NOW - 7000, account="OTHER")),
        secret(issued(NOW - 8000), hub="iot/other"),
    ]

    assert oldest_in_use(secrets, account="A", hub=HUB, now=NOW) == NOW - 3000


def test_one_secret_that_cannot_be_read_makes_the_oldest_unknown() -> None:
    assert oldest_in_use([secret(issued(NOW)), secret(None)], account="A", hub=HUB, now=NOW) is None


def test_a_jwt_that_is_signed_and_not_in_its_secret_yet_is_cut_off_by_nothing() -> None:
    on_its_way = NOW - ON_ITS_WAY_SECONDS

    after = compacted(ledger_of([NOW - 1]), oldest=oldest_in_use([], account="A", hub=HUB, now=NOW))

    assert after.revoked_at("USOMEBODY") < on_its_way


def test_one_that_ended_long_ago_as_of_an_identity_that_is_suspended_keeps_nothing_from_becoming_one() -> None:
    ended = issued(NOW - 10**7)

    assert oldest_in_use([secret(ended)], account="A", hub=HUB, now=NOW) == NOW - ON_ITS_WAY_SECONDS
