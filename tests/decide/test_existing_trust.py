"""A trust root that somebody else made: nothing is signed that its servers would not take, or would lose by."""

from typing import Any

import pytest

from iotsec.decide import existing_trust
from iotsec.decide.account import AccountKeys, retirement_token
from iotsec.decide.adoption import AdoptionRefusedError
from iotsec.decide.existing_trust import ExistingTrustError, TrustedOperator
from iotsec.decide.ledger import Ledger
from iotsec.decide.seeds import RECORDS, TrustDamagedError, TrustSeeds, account_names, completed
from iotsec.decide.trust import KnownKeys
from iotsec.nats import creds, jwt
from iotsec.nats.claims import AccountClaims, OperatorClaims, UserClaims
from iotsec.nats.keys import KeyType, SigningKey

NOW = 1_800_000_000
WHERE = "key seed of Secret op"


def key(kind: KeyType, number: int) -> SigningKey:
    return SigningKey.generate(kind, bytes([number]) * 32)


OPERATOR, SIGNER, OTHER_SIGNER, STRANGER = (key(KeyType.OPERATOR, n) for n in range(1, 5))
SYSTEM, ACCOUNT, OTHER_ACCOUNT = (key(KeyType.ACCOUNT, n) for n in range(5, 8))
TRUSTED = frozenset({SIGNER.public, OTHER_SIGNER.public})


def operator_jwt(*signers: SigningKey, strict: bool = True) -> str:
    claims = OperatorClaims(signing_keys=tuple(s.public for s in signers), strict_signing_key_usage=strict)
    return jwt.encode(claims, OPERATOR, subject=OPERATOR.public, name="mir", issued_at=NOW)


def account_jwt(account: SigningKey = ACCOUNT, *, signer: SigningKey = SIGNER, **envelope: Any) -> str:
    times = {"name": "mir", "issued_at": NOW, **envelope}
    return jwt.encode(AccountClaims(), signer, subject=account.public, **times)


def system_creds(*, expires_at: int | None) -> bytes:
    user = key(KeyType.USER, 9)
    claims = UserClaims(issuer_account=SYSTEM.public)
    token = jwt.encode(claims, key(KeyType.ACCOUNT, 10), subject=user.public, issued_at=NOW, expires_at=expires_at)
    return creds.format_creds(token, user)


def test_system_creds_tell_their_account_and_never_show() -> None:
    access = existing_trust.read_system_access(system_creds(expires_at=None), where=WHERE, now=NOW)

    assert access.account == SYSTEM.public
    assert "BEGIN" not in repr(access)


def test_system_creds_that_have_expired_are_told_and_when() -> None:
    with pytest.raises(ExistingTrustError, match=r"key seed of Secret op expired at 2027-01-15T08:00:00Z: write new"):
        existing_trust.read_system_access(system_creds(expires_at=NOW), where=WHERE, now=NOW + 1)


@pytest.mark.parametrize("harm", [b"", b"-----BEGIN", b"\xff", system_creds(expires_at=None)[:200]])
def test_what_is_no_creds_file_is_told_and_not_shown(harm: bytes) -> None:
    with pytest.raises(ExistingTrustError, match=WHERE) as caught:
        existing_trust.read_system_access(harm, where=WHERE, now=NOW)

    assert "eyJ" not in str(caught.value)


def test_what_is_no_operators_seed_is_told_and_not_shown() -> None:
    for harm in (b"", b"SO", ACCOUNT.seed.reveal(), SIGNER.seed.reveal()[:-1]):
        with pytest.raises(ExistingTrustError, match=WHERE) as caught:
            existing_trust.read_signer(harm, where=WHERE)
        assert len(harm) < 3 or harm.decode() not in str(caught.value)
    assert existing_trust.read_signer(SIGNER.seed.reveal() + b"\n", where=WHERE) == SIGNER


def test_only_keys_that_every_server_trusts_may_sign() -> None:
    found = existing_trust.trusted_operator([[operator_jwt(SIGNER, OTHER_SIGNER)], [operator_jwt(SIGNER)]])

    assert found == TrustedOperator(OPERATOR.public, frozenset({SIGNER.public}))
    assert existing_trust.check_signer(SIGNER, found, where=WHERE) == found
    with pytest.raises(ExistingTrustError, match=SIGNER.public):
        existing_trust.check_signer(OTHER_SIGNER, found, where=WHERE)
    with pytest.raises(ExistingTrustError, match="trust no operator"):
        existing_trust.check_signer(SIGNER, None, where=WHERE)


def test_the_operators_identity_may_sign_only_where_servers_are_not_strict() -> None:
    strict = existing_trust.trusted_operator([[operator_jwt(SIGNER)]])
    lenient = existing_trust.trusted_operator([[operator_jwt(SIGNER, strict=False)]])

    with pytest.raises(ExistingTrustError):
        existing_trust.check_signer(OPERATOR, strict, where=WHERE)
    assert existing_trust.check_signer(OPERATOR, lenient, where=WHERE) == lenient


@pytest.mark.parametrize("told", [[], [[]], [["nonsense"]], [[account_jwt()]]])
def test_servers_that_tell_of_no_operator_are_trusted_with_nothing(told: list[list[str]]) -> None:
    assert existing_trust.trusted_operator(told) is None


def found(*tokens: str) -> str | None:
    return existing_trust.found_account("mir", tokens, signers=TRUSTED, now=NOW)


def test_an_account_is_known_by_its_name_and_the_newest_jwt_counts_whichever_key_of_the_operator_signed() -> None:
    newest = account_jwt(signer=OTHER_SIGNER, issued_at=NOW + 5)

    assert found(account_jwt(), newest, account_jwt(OTHER_ACCOUNT, name="lab")) == newest


def test_an_account_that_is_not_there_is_not_found() -> None:
    assert found() is None
    assert found(account_jwt(name="lab"), "nonsense") is None


def test_two_accounts_of_one_name_are_refused_by_both_keys() -> None:
    with pytest.raises(AdoptionRefusedError, match="2 accounts named mir") as caught:
        found(account_jwt(), account_jwt(OTHER_ACCOUNT))

    assert ACCOUNT.public in str(caught.value)
    assert OTHER_ACCOUNT.public in str(caught.value)


def test_an_account_that_the_servers_do_not_trust_or_that_has_expired_is_refused() -> None:
    with pytest.raises(AdoptionRefusedError, match=STRANGER.public):
        found(account_jwt(signer=STRANGER))
    with pytest.raises(AdoptionRefusedError, match="expired at"):
        found(account_jwt(expires_at=NOW))


def test_an_account_that_cannot_be_read_is_not_taken_for_none() -> None:
    whole = account_jwt()

    with pytest.raises(AdoptionRefusedError, match="cannot be read"):
        found(whole[:-4] + "AAAA")


def test_an_account_that_an_earlier_hub_ended_is_none() -> None:
    keys = AccountKeys("mir", ACCOUNT.public, ACCOUNT, (ACCOUNT,), {})

    assert found(retirement_token(keys, ledger=Ledger(), signer=SIGNER, now=NOW).token) is None


def seeds_of(*accounts: str, adopted: tuple[str, ...]) -> TrustSeeds:
    roles = dict.fromkeys(accounts, ("device",))
    numbers = iter(range(20, 90))
    return completed(
        TrustSeeds({}, {}), roles=roles, entropy=lambda: bytes([next(numbers)]) * 32, now=NOW, adopted=adopted
    )


def test_no_seed_is_made_of_what_others_hold() -> None:
    seeds = seeds_of("mir", "lab", adopted=("mir",))

    assert set(seeds.identity) == {"seal.mir", "account.lab"}
    assert {name.split(".")[0] for name in seeds.signing} == {"account", RECORDS.split(".")[0]}
    assert account_names(seeds) == {"mir", "lab"}


def test_the_keys_of_an_adopted_account_are_its_own_identity_and_our_signers() -> None:
    seeds = seeds_of("mir", "lab", adopted=("mir",))
    record = existing_trust.taken_over("mir", account_jwt(), ours=())

    root = existing_trust.adopted_trust(
        seeds,
        roles={"mir": ("device",), "lab": ("device",)},
        adopted={"mir": record},
        operator=TrustedOperator(OPERATOR.public, TRUSTED),
        signer=SIGNER,
        system=SYSTEM.public,
    )

    assert root.accounts["mir"].public == ACCOUNT.public
    assert root.accounts["mir"].seal.public != ACCOUNT.public
    assert root.accounts["lab"].public == root.accounts["lab"].seal.public
    assert existing_trust.signers_of(seeds, "mir") == root.accounts["mir"].every_signer()
    assert (root.operator_public, root.account_signers) == (OPERATOR.public, TRUSTED)
    assert SIGNER.seed.reveal().decode() not in repr(root)


def test_seeds_that_a_status_tells_of_are_missed() -> None:
    seeds = seeds_of("mir", "lab", adopted=("mir",))
    lab = SigningKey.from_seed(seeds.identity["account.lab"]).public
    known = KnownKeys(OPERATOR.public, SYSTEM.public, {"mir": ACCOUNT.public, "lab": lab})
    existing_trust.check_adopted(seeds, known)

    for name in ("seal.mir", "account.lab"):
        left = {entry: seed for entry, seed in seeds.identity.items() if entry != name}
        with pytest.raises(TrustDamagedError, match="missing"):
            existing_trust.check_adopted(TrustSeeds(left, seeds.signing), known)
    with pytest.raises(TrustDamagedError, match="another key"):
        existing_trust.check_adopted(seeds, KnownKeys(accounts={"lab": ACCOUNT.public}))
