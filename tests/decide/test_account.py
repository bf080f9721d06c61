"""An account's JWT: the instant it is issued at, what it revokes, and its end."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.account import RETIREMENT_SECONDS, AccountDefinition, AccountKeys, issue_account, retirement_token
from iotsec.decide.ledger import (
    MAX_REVOCATIONS,
    Ledger,
    LedgerFullError,
    Revocation,
    merged_with_server,
    with_revocations,
)
from iotsec.decide.times import CLOCK_LAG_SECONDS
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, Permissions, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey


def key(kind: KeyType, name: str) -> SigningKey:
    return SigningKey.generate(kind, hashlib.sha256(name.encode()).digest())


KEYS = AccountKeys(
    name="iot",
    public=key(KeyType.ACCOUNT, "identity").public,
    seal=key(KeyType.ACCOUNT, "identity"),
    unscoped=(key(KeyType.ACCOUNT, "unscoped"),),
    scoped={"device": (key(KeyType.ACCOUNT, "device"),)},
)
ROLES = {"device": UserPermissionLimits(permissions=Permissions(publish_allow=("device.{id}.>",)))}
OPERATOR = key(KeyType.OPERATOR, "operator")
USERS = [key(KeyType.USER, f"user {n}").public for n in range(6)]
NOW = 1_700_000_000
LATER = NOW + 11 + CLOCK_LAG_SECONDS


def issue(ledger: Ledger, *, now: int) -> tuple[jwt.Decoded, Ledger]:
    """Issue the account's JWT and read it as a server would."""
    made = issue_account(AccountDefinition(KEYS, ROLES), ledger=ledger, signer=OPERATOR, now=now)
    return jwt.decode(made.token), made.ledger


def revoking(user: str, *, at: int, until: int = NOW + 10**8) -> Revocation:
    return Revocation(KEYS.public, user, at, until)


def revoked_by(decoded: jwt.Decoded) -> dict[str, int]:
    assert isinstance(decoded.claims, AccountClaims)
    return dict(decoded.claims.revocations)


@given(
    st.lists(
        st.tuples(
            st.integers(-3, 3) | st.integers(-(10**6), 10**6),  # how far the clock jumps
            st.sampled_from(USERS) | st.none(),  # whom to revoke, if anybody
            st.booleans(),  # whether the operator restarts
        ),
        max_size=12,
    )
)
def test_every_change_has_a_later_iat_whatever_the_clock_does_and_no_change_has_the_same(
    steps: list[tuple[int, str | None, bool]],
) -> None:
    now = NOW
    before, ledger = issue(Ledger(), now=now)
    for number, (jump, user, restart) in enumerate(steps):
        now += jump
        if restart:
            ledger = Ledger.from_json(ledger.to_json())
        wanted = [revoking(user, at=NOW + number)] if user else []
        after, ledger = issue(with_revocations(ledger, wanted, now=NOW), now=now)
        if revoked_by(after) == revoked_by(before):
            assert after == before
        else:
            assert after.issued_at > before.issued_at
        assert all(revoked_by(after)[revoked] >= at for revoked, at in revoked_by(before).items())
        before = after


def test_a_lost_ledger_takes_the_revocations_of_a_newer_jwt_and_outdoes_it() -> None:
    theirs, _ = issue(with_revocations(Ledger(), [revoking(USERS[0], at=NOW)], now=NOW), now=NOW + 500)

    merged = merged_with_server(
        Ledger(), server_issued_at=theirs.issued_at, revocations=revoked_by(theirs), until=NOW + 10**8, oldest=None
    )

    ours, _ = issue(merged, now=NOW)  # the clock is behind, too
    assert revoked_by(ours) == {USERS[0]: NOW}
    assert ours.issued_at == theirs.issued_at + 1


def test_an_older_jwt_on_a_server_teaches_nothing() -> None:
    _, ledger = issue(with_revocations(Ledger(), [revoking(USERS[0], at=NOW)], now=NOW), now=NOW)

    assert (
        merged_with_server(ledger, server_issued_at=NOW, revocations={USERS[1]: NOW}, until=NOW, oldest=None) is ledger
    )


@pytest.mark.parametrize(("oldest", "counts_to"), [(NOW - 50, NOW - 51), (None, NOW), (NOW + 50, NOW)])
def test_what_a_server_says_of_everybody_counts_as_far_as_it_cuts_off_nobody_who_works(
    oldest: int | None, counts_to: int
) -> None:
    merged = merged_with_server(
        Ledger(), server_issued_at=NOW, revocations={"*": NOW, USERS[0]: NOW}, until=NOW + 1, oldest=oldest
    )

    assert merged.revocations() == {"*": counts_to, USERS[0]: NOW}


def test_what_has_ended_by_itself_is_forgotten_with_the_next_change() -> None:
    ledger = with_revocations(Ledger(), [revoking(USERS[0], at=NOW, until=NOW + 10)], now=NOW)
    assert with_revocations(ledger, [], now=LATER) is ledger  # not worth a push

    changed = with_revocations(ledger, [revoking(USERS[1], at=LATER)], now=LATER)

    assert set(changed.entries) == {USERS[1]}


def test_a_full_ledger_refuses_one_more_and_keeps_what_it_has() -> None:
    entries = {f"U{n:055}": (NOW, NOW + 10) for n in range(MAX_REVOCATIONS)}
    full = Ledger(NOW, "", entries)

    with pytest.raises(LedgerFullError, match="10500 keys"):
        with_revocations(full, [revoking(USERS[0], at=NOW)], now=NOW)
    assert len(with_revocations(full, [revoking(USERS[0], at=NOW, until=LATER + 99)], now=LATER).entries) == 1


def test_the_last_jwt_admits_nobody_for_as_long_as_anything_revoked_would_be_valid() -> None:
    ledger = with_revocations(Ledger(NOW + 7), [revoking(USERS[0], at=NOW, until=NOW + 10**6)], now=NOW)

    last = jwt.decode(retirement_token(KEYS, ledger=ledger, signer=OPERATOR, now=NOW).token)

    assert isinstance(last.claims, AccountClaims)
    assert (last.claims.limits.connections, last.claims.limits.leaf_nodes) == (0, 0)
    assert last.claims.signing_keys == ()
    assert last.issued_at == NOW + 8
    assert last.expires_at == NOW + 10**6 + RETIREMENT_SECONDS


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"issuedAt":"x","digest":"","revocations":{}}', b"\xff"])
def test_a_damaged_ledger_says_so(damage: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Ledger.from_json(damage)
