"""What others make of an adopted account since: learned once, our part put in again, and then there is rest."""

from dataclasses import replace

from decide.somebodys_account import (
    ACCOUNT,
    EVERYTHING,
    KEYS,
    NOW,
    OPERATOR,
    OTHER_ACCOUNT,
    OUR_USER,
    OURS,
    ROLES,
    THEIR_KEY,
    THEIR_SCOPE,
    adopted,
    issue,
    key,
    said_in,
    signed,
)

from iotsec.decide.account import AccountDefinition, AccountKeys
from iotsec.decide.ledger import FOREVER, Ledger, Revocation, with_revocations
from iotsec.decide.relearning import newest_by_others, relearned, settled
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims
from iotsec.nats.keys import KeyType


def learn(ledger: Ledger, *tokens: str) -> Ledger:
    newer = newest_by_others(ledger, tokens, public=ACCOUNT, signers={OPERATOR.public})
    return ledger if newer is None else relearned(ledger, newer, ours=OURS)


def test_a_later_edit_by_somebody_else_is_learned_and_outdone_with_our_part_in_it() -> None:
    made = issue(with_revocations(adopted(), [Revocation(ACCOUNT, OUR_USER, NOW, FOREVER)], now=NOW))
    edit = signed(EVERYTHING | {"description": "edited"}, iat=NOW + 50)

    after = issue(learn(made.ledger, edit), now=NOW)

    said = jwt.decode(after.token)
    assert isinstance(said.claims, AccountClaims)
    assert (said.claims.description, said.issued_at) == ("edited", NOW + 51)
    assert said.claims.revocations[OUR_USER] == NOW
    assert learn(after.ledger, after.token, edit, made.token) == after.ledger


def test_an_edit_counts_though_our_latest_jwt_is_ahead_of_the_clock() -> None:
    made = issue(replace(adopted(), issued_at=NOW + 500))
    assert made.ledger.issued_at == NOW + 501

    after = issue(learn(made.ledger, signed(EVERYTHING | {"description": "edited"}, iat=NOW + 3)))

    assert said_in(after.token)["nats"]["description"] == "edited"
    assert after.ledger.issued_at == NOW + 502


def test_an_old_copy_counts_for_nothing() -> None:
    made = issue(adopted())

    for old in (signed(EVERYTHING), signed(EVERYTHING | {"description": "older"}, iat=NOW - 5)):
        assert learn(made.ledger, old) == made.ledger


def test_what_another_operator_signed_or_is_about_another_account_counts_for_nothing() -> None:
    made = issue(adopted())
    edit = signed(EVERYTHING | {"description": "edited"}, iat=NOW + 50)

    stranger = key(KeyType.OPERATOR, 20).public
    assert newest_by_others(made.ledger, [edit], public=ACCOUNT, signers={stranger}) is None
    assert newest_by_others(made.ledger, [edit], public=OTHER_ACCOUNT, signers={OPERATOR.public}) is None
    assert newest_by_others(made.ledger, ["nonsense"], public=ACCOUNT, signers={OPERATOR.public}) is None


def test_the_same_pushed_again_with_a_later_time_is_outdone() -> None:
    made = issue(adopted())

    after = issue(learn(made.ledger, signed(EVERYTHING, iat=NOW + 50)), now=NOW)

    assert after.ledger.issued_at == NOW + 51


def test_two_who_add_to_one_account_come_to_rest() -> None:
    other = AccountKeys(
        "mir", ACCOUNT, key(KeyType.ACCOUNT, 40), (key(KeyType.ACCOUNT, 41),), {"device": (key(KeyType.ACCOUNT, 42),)}
    )
    sides = [KEYS, other]
    ledgers = [adopted(), adopted()]
    live, pushes = signed(EVERYTHING), 0
    for turn in range(12):
        keys, ledger = sides[turn % 2], ledgers[turn % 2]
        newer = newest_by_others(ledger, [live], public=ACCOUNT, signers={OPERATOR.public})
        if newer is not None:
            ledger = relearned(ledger, newer, ours=keys.every_signer())
            assert ledger.adopted is not None
            wanted = AccountDefinition(keys, ROLES, ledger.adopted.claims)
            ledger = settled(ledger, newer, account=wanted, signer=OPERATOR)
        made = issue(ledger, keys=keys)
        ledgers[turn % 2] = made.ledger
        pushes += made.token != live
        live = made.token

    listed = {k if isinstance(k, str) else k["key"] for k in said_in(live)["nats"]["signing_keys"]}
    assert listed == {THEIR_KEY, THEIR_SCOPE, *OURS, *other.every_signer()}
    assert pushes == 2


def test_a_key_of_ours_that_was_replaced_does_not_come_back_in_somebodys_copy() -> None:
    made = issue(adopted())
    next_keys = replace(KEYS, unscoped=(key(KeyType.ACCOUNT, 30),))
    rotated = issue(made.ledger, keys=next_keys)
    copy = said_in(made.token)["nats"]

    after = issue(relearned(rotated.ledger, signed(copy, iat=NOW + 50), ours=next_keys.every_signer()), keys=next_keys)

    listed = [k if isinstance(k, str) else k["key"] for k in said_in(after.token)["nats"]["signing_keys"]]
    assert KEYS.unscoped[0].public not in listed
    assert next_keys.unscoped[0].public in listed


def test_a_revocation_that_was_taken_out_by_hand_is_out_and_ours_in_that_copy_stay_ours() -> None:
    made = issue(with_revocations(adopted(), [Revocation(ACCOUNT, OUR_USER, NOW, NOW + 60)], now=NOW))

    after = learn(made.ledger, signed(EVERYTHING | {"revocations": {OUR_USER: NOW}}, iat=NOW + 50))

    assert after.adopted is not None
    assert after.adopted.revocations == {}
    assert after.revocations() == {OUR_USER: NOW}
