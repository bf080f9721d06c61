"""An account that was there before us: kept whole, told apart from what is ours, and given back."""

import json
from dataclasses import replace
from typing import Any

import pytest
from decide.somebodys_account import (
    ACCOUNT,
    EVERYTHING,
    KEYS,
    NOW,
    OPERATOR,
    OUR_USER,
    OURS,
    SCOPE,
    THEIR_SCOPE,
    THEIR_USER,
    adopted,
    issue,
    said_in,
    signed,
    sorted_lists,
)

from iotsec.api.hub import HubSpec
from iotsec.decide.account import released_token
from iotsec.decide.adoption import AdoptedAccount, AdoptionRefusedError, adopted_from
from iotsec.decide.definition import definition
from iotsec.decide.ledger import (
    FOREVER,
    MAX_REVOCATIONS,
    Ledger,
    LedgerFullError,
    Revocation,
    with_revocations,
)


def test_everything_an_account_says_is_said_again_with_our_keys_beside_it() -> None:
    found = said_in(issue(adopted(aud="somebody", exp=NOW + 99, nbf=NOW - 99)).token)

    ours = [k for k in found["nats"]["signing_keys"] if (k if isinstance(k, str) else k["key"]) in OURS]
    theirs = [k for k in found["nats"]["signing_keys"] if k not in ours]
    assert len(ours) == 2
    assert sorted_lists(found["nats"] | {"signing_keys": theirs}) == sorted_lists(EVERYTHING)
    assert (found["aud"], found["exp"], found["nbf"]) == ("somebody", NOW + 99, NOW - 99)
    assert found["iat"] > NOW


def test_a_scope_of_somebody_else_is_said_to_the_letter() -> None:
    found = said_in(issue(adopted()).token)["nats"]["signing_keys"]

    assert [k for k in found if isinstance(k, dict) and k["key"] == THEIR_SCOPE] == [SCOPE]


def test_the_record_is_written_and_read_back_and_gives_the_same_bytes_after_a_restart() -> None:
    first = issue(adopted())

    again = issue(Ledger.from_json(first.ledger.to_json()), now=NOW + 10**6)

    assert again == first


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("limits_of_tomorrow",), 1),
        (("limits", "tea"), 1),
        (("exports", 0, "flavour"), "x"),
        (("imports", 0, "flavour"), ["x"]),
        (("default_permissions", "pub", "ask"), ["x"]),
        (("mappings", "from", 0, "flavour"), 1),
        (("authorization", "flavour"), {"x": 1}),
        (("trace", "flavour"), 1),
    ],
)
def test_what_would_be_lost_is_refused_and_named(path: tuple[Any, ...], value: Any) -> None:
    body = json.loads(json.dumps(EVERYTHING))
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value

    with pytest.raises(AdoptionRefusedError, match=str(path[0])):
        adopted_from(signed(body))


def test_a_claim_beside_the_account_that_would_be_lost_is_refused() -> None:
    with pytest.raises(AdoptionRefusedError, match="flavour"):
        adopted_from(signed(EVERYTHING, flavour="x"))


def test_what_is_empty_is_no_loss() -> None:
    adopted_from(signed(EVERYTHING | {"limits_of_tomorrow": {}, "x": None, "y": 0, "z": ""}))


def test_what_we_added_is_told_apart_again_though_the_ledger_was_lost() -> None:
    before = adopted()
    live = issue(with_revocations(before, [Revocation(ACCOUNT, OUR_USER, NOW, FOREVER)], now=NOW)).token

    found = adopted_from(live, ours=OURS)

    assert sorted_lists(found.said["signing_keys"]) == sorted_lists(EVERYTHING["signing_keys"])
    assert found.revocations == {**EVERYTHING["revocations"], OUR_USER: NOW}  # whose is not known: it stays


def test_revocations_of_both_count_and_the_later_one_of_a_key_wins() -> None:
    ledger = adopted()

    earlier = with_revocations(ledger, [Revocation(ACCOUNT, THEIR_USER, NOW - 10, FOREVER)], now=NOW)
    later = with_revocations(ledger, [Revocation(ACCOUNT, THEIR_USER, NOW, FOREVER)], now=NOW)

    assert earlier.revocations() == EVERYTHING["revocations"]
    assert later.revocations() == {THEIR_USER: NOW, "*": 3}
    assert later.revoked_at(THEIR_USER) == NOW
    assert ledger.revoked_at(THEIR_USER) == NOW - 9
    assert ledger.revoked_at(OUR_USER) == 3  # as everybody


def test_what_others_revoke_counts_against_what_the_jwt_can_carry() -> None:
    ledger = adopted()
    assert ledger.carried == 2
    almost = replace(ledger, entries={f"U{n:055}": (NOW, FOREVER) for n in range(MAX_REVOCATIONS - 2)})

    with pytest.raises(LedgerFullError, match="10500 keys"):
        with_revocations(almost, [Revocation(ACCOUNT, OUR_USER, NOW, FOREVER)], now=NOW)


def test_a_revocation_of_an_unexpiring_jwt_is_never_forgotten() -> None:
    ledger = with_revocations(adopted(), [Revocation(ACCOUNT, THEIR_USER, NOW, FOREVER)], now=NOW)

    much_later = with_revocations(ledger, [Revocation(ACCOUNT, OUR_USER, NOW, FOREVER)], now=NOW + 100 * 365 * 86_400)

    assert much_later.entries[THEIR_USER] == (NOW, FOREVER)


def test_an_account_is_given_back_as_it_was_but_for_whom_we_cut_off() -> None:
    made = issue(with_revocations(adopted(exp=NOW + 99), [Revocation(ACCOUNT, OUR_USER, NOW, FOREVER)], now=NOW))

    last = released_token(KEYS, ledger=made.ledger, signer=OPERATOR, now=NOW)

    found = said_in(last.token)
    expected = EVERYTHING | {"revocations": {**EVERYTHING["revocations"], OUR_USER: NOW}}
    assert sorted_lists(found["nats"]) == sorted_lists(expected)
    assert found["exp"] == NOW + 99
    assert found["iat"] == made.ledger.issued_at + 1


def test_what_the_spec_says_takes_the_place_of_that_part_alone() -> None:
    spec = HubSpec.model_validate(
        {
            "nats": {"servers": ["nats://nats:4222"]},
            "accounts": [{"name": "mir", "limits": {"connections": 20}, "jetStream": {"diskStorage": "1Gi"}}],
        }
    )
    ledger = adopted()
    assert ledger.adopted is not None

    made = definition(spec, {"mir": KEYS}, "mir", ledger=ledger, adopted=ledger.adopted.claims)

    before, after = ledger.adopted.claims, made.base
    assert after.limits.connections == 20
    assert after.limits.subscriptions == before.limits.subscriptions
    assert after.limits.jetstream is not None
    assert after.limits.jetstream.disk_storage == 2**30
    assert replace(after, limits=before.limits) == before


def test_neither_the_record_nor_its_ledger_shows_what_may_hold_tokens() -> None:
    ledger = adopted()

    assert "signing_keys" not in repr(ledger)
    assert ACCOUNT in repr(ledger.adopted)


@pytest.mark.parametrize("harm", [{"nats": {"limits": 3}}, {"nats": 3}, {"ours": 3}, {"iat": "x"}, {"iat": None}])
def test_a_damaged_record_says_so(harm: dict[str, Any]) -> None:
    whole = adopted().adopted
    assert whole is not None

    for damaged in (whole.to_json() | harm, {}):
        with pytest.raises(ValueError, match=r"."):
            AdoptedAccount.from_json(damaged)
