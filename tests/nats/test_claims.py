"""Claims as values: one value has one form, and what servers would misread is refused."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.nats.claims import (
    AccountClaims,
    AccountLimits,
    ActivationClaims,
    Authorization,
    Claims,
    ConnectionType,
    Destination,
    Export,
    GenericClaims,
    Import,
    InvalidClaims,
    JetStreamLimits,
    OperatorClaims,
    Permissions,
    Responses,
    ScopedKey,
    ServiceLatency,
    ShareKind,
    TimeRange,
    Trace,
    UserClaims,
    UserPermissionLimits,
    claims_digest,
)
from iotsec.nats.go_json import go_json
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey

ACCOUNT, OTHER = (SigningKey.generate(KeyType.ACCOUNT, bytes([n]) * 32).public for n in (1, 2))
USER = SigningKey.generate(KeyType.USER, bytes(32)).public

WORDS = st.lists(st.text("abc.*>", min_size=1, max_size=5), max_size=4).map(tuple)
COUNTS = st.integers(-1, 5)
PERMISSIONS = st.builds(
    Permissions,
    publish_allow=WORDS,
    publish_deny=WORDS,
    subscribe_allow=WORDS,
    subscribe_deny=WORDS,
    responses=st.none() | st.builds(Responses, st.integers(-1, 9), st.integers(-1, 9)),
)
LIMITS = st.builds(
    UserPermissionLimits,
    permissions=PERMISSIONS,
    source_networks=st.lists(st.sampled_from(["10.0.0.0/8", "::/0"]), max_size=2).map(tuple),
    times=st.lists(st.builds(TimeRange, st.just("08:00:00"), st.just("09:00:00")), max_size=2).map(tuple),
    subscriptions=st.integers(1, 5) | st.just(-1),
    payload=st.integers(1, 5) | st.just(-1),
    bearer_token=st.booleans(),
    connection_types=st.lists(st.sampled_from(ConnectionType), max_size=3).map(tuple),
)
JETSTREAM = st.builds(JetStreamLimits, COUNTS, COUNTS, COUNTS, COUNTS)
ACCOUNT_LIMITS = st.builds(
    AccountLimits,
    subscriptions=COUNTS,
    connections=COUNTS,
    wildcard_exports=st.booleans(),
    jetstream=st.none() | JETSTREAM,
) | st.builds(AccountLimits, tiers=st.dictionaries(st.sampled_from(["R1", "R3"]), JETSTREAM))
IMPORTS = st.builds(Import, st.text("ab", min_size=1), st.just(OTHER), st.sampled_from(ShareKind))
EXPORTS = st.builds(
    Export,
    st.text("ab", min_size=1),
    st.sampled_from(ShareKind),
    revocations=st.dictionaries(st.sampled_from([ACCOUNT, "*"]), st.integers(1, 9)),
    latency=st.none() | st.builds(ServiceLatency, st.just("x"), st.integers(0, 100)),
)
ACCOUNTS = st.builds(
    AccountClaims,
    imports=st.lists(IMPORTS, max_size=3).map(tuple),
    exports=st.lists(EXPORTS, max_size=3).map(tuple),
    limits=ACCOUNT_LIMITS,
    signing_keys=st.sampled_from([(), (ACCOUNT,)])
    | LIMITS.map(lambda limits: (ScopedKey(OTHER, "role", template=limits), ACCOUNT)),
    revocations=st.dictionaries(st.sampled_from([USER, "*"]), st.integers(1, 9)),
    default_permissions=PERMISSIONS,
    mappings=st.dictionaries(
        st.sampled_from("xyz"),
        st.lists(st.builds(Destination, st.text("ab", min_size=1), st.integers(1, 100))).map(tuple),
    ).map(lambda found: {subject: to for subject, to in found.items() if to}),
    authorization=st.sampled_from([Authorization(), Authorization(auth_users=(USER,), allowed_accounts=("*",))]),
    trace=st.none() | st.builds(Trace, st.just("t"), st.integers(1, 100)),
    tags=WORDS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CLAIMS: st.SearchStrategy[Claims] = st.one_of(
    ACCOUNTS,
    st.builds(UserClaims, st.just(ACCOUNT), st.none() | LIMITS, WORDS),
    st.builds(OperatorClaims, system_account=st.just(ACCOUNT), tags=WORDS, strict_signing_key_usage=st.booleans()),
    st.builds(ActivationClaims, st.just("a.>"), st.sampled_from(ShareKind), tags=WORDS),
    st.builds(GenericClaims, st.dictionaries(st.sampled_from("abc"), JSON)),
)


@given(CLAIMS)
def test_claims_are_read_back_from_their_json(claims: Claims) -> None:
    assert type(claims).from_json(claims.to_json()) == claims


@given(ACCOUNTS, st.randoms(use_true_random=False))
def test_the_order_and_number_of_what_is_listed_changes_nothing(claims: AccountClaims, rng: random.Random) -> None:
    def shuffled(value: Any, *, twice: bool = True) -> Any:
        entries = list(value) * (2 if twice else 1)
        rng.shuffle(entries)
        return tuple(entries)

    permissions = claims.default_permissions
    again = AccountClaims(
        imports=shuffled(claims.imports, twice=False),
        exports=shuffled(claims.exports, twice=False),
        limits=claims.limits,
        signing_keys=shuffled(claims.signing_keys),
        revocations=dict(shuffled(claims.revocations.items())),
        default_permissions=Permissions(
            shuffled(permissions.publish_allow),
            shuffled(permissions.publish_deny),
            shuffled(permissions.subscribe_allow),
            shuffled(permissions.subscribe_deny),
            permissions.responses,
        ),
        mappings={subject: shuffled(to) for subject, to in shuffled(claims.mappings.items())},
        authorization=claims.authorization,
        trace=claims.trace,
        tags=shuffled(claims.tags),
    )
    assert again == claims
    assert go_json(again.to_json()) == go_json(claims.to_json())
    assert claims_digest(again) == claims_digest(claims)


@given(ACCOUNTS, ACCOUNTS)
def test_digests_differ_where_claims_or_names_do(one: AccountClaims, other: AccountClaims) -> None:
    assert (claims_digest(one) == claims_digest(other)) == (one == other)
    assert claims_digest(one, name="iot") != claims_digest(one)


def test_a_limit_that_is_not_said_is_unlimited_and_written_out() -> None:
    limits = AccountClaims().to_json()["limits"]
    assert limits == {
        "subs": -1,
        "data": -1,
        "payload": -1,
        "imports": -1,
        "exports": -1,
        "wildcards": True,
        "conn": -1,
        "leaf": -1,
    }
    user = UserClaims(limits=UserPermissionLimits()).to_json()
    assert [user[field] for field in ("subs", "data", "payload")] == [-1, -1, -1]


def test_a_limit_absent_on_the_wire_is_nought_in_users_and_unlimited_in_scopes() -> None:
    user = UserClaims.from_json({"sub": {"allow": ["a"]}})
    assert user.limits is not None
    assert user.limits.payload == 0
    scope = ScopedKey.from_json({"kind": "user_scope", "key": ACCOUNT, "template": {"subs": 7}})
    assert (scope.template.subscriptions, scope.template.payload) == (7, -1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pub": {}, "sub": {}},
        {"subs": 0, "bearer_token": False},
        {"times": None, "src": None, "resp": None},
    ],
)
def test_a_user_with_nothing_set_is_scoped(body: dict[str, Any]) -> None:
    assert UserClaims.from_json(body).scoped


def test_old_source_lists_with_commas_are_read() -> None:
    user = UserClaims.from_json({"src": "10.0.0.0/8, FE80::/10,"})
    assert user.limits is not None
    assert user.limits.source_networks == ("10.0.0.0/8", "fe80::/10")


@pytest.mark.parametrize(
    ("claims", "advice"),
    [
        (UserClaims(limits=UserPermissionLimits(subscriptions=0, data=0, payload=0)), "leave limits out"),
        (AccountClaims(signing_keys=(ScopedKey(ACCOUNT, template=UserPermissionLimits(payload=0)),)), "1 or more"),
        (AccountClaims(cluster_traffic="all"), "system or owner"),
        (AccountClaims(trace=Trace("t", 0)), "1 to 100"),
        (AccountClaims(mappings={"a": (Destination("b", 101),)}), "1 to 100"),
        (AccountClaims(authorization=Authorization(allowed_accounts=(ACCOUNT,))), "auth_users"),
        (AccountClaims(authorization=Authorization((USER,), ("*", ACCOUNT))), "alone"),
        (AccountClaims(limits=AccountLimits(jetstream=JetStreamLimits(1), tiers={"R1": JetStreamLimits(1)})), "either"),
        (AccountClaims(limits=AccountLimits(tiers={"": JetStreamLimits(1)})), "name"),
        (AccountClaims(exports=(Export("a", ShareKind.SERVICE, latency=ServiceLatency("b", 101)),)), "1 to 100"),
        (GenericClaims({"type": "user"}), "the class of that type"),
        (GenericClaims({"a": [1.5]}), "as a string"),
        (GenericClaims({"a": {"b": 2**53 + 1}}), "as a string"),
    ],
)
def test_claims_servers_would_misread_are_refused(claims: Claims, advice: str) -> None:
    with pytest.raises(InvalidClaims, match=advice):
        claims.to_json()


@pytest.mark.parametrize(
    "claims",
    [
        UserClaims(issuer_account=USER),
        AccountClaims(signing_keys=(USER,)),
        AccountClaims(signing_keys=(ScopedKey(USER),)),
        AccountClaims(imports=(Import("a", USER, ShareKind.STREAM),)),
        AccountClaims(authorization=Authorization(auth_users=(ACCOUNT,))),
        AccountClaims(authorization=Authorization((USER,), (USER,))),
        AccountClaims(authorization=Authorization(xkey=ACCOUNT)),
        OperatorClaims(signing_keys=(ACCOUNT,)),
        OperatorClaims(system_account=USER),
        ActivationClaims("a", ShareKind.STREAM, issuer_account=USER),
    ],
)
def test_keys_of_the_wrong_kind_are_refused(claims: Claims) -> None:
    with pytest.raises(InvalidKey, match="write the public key"):
        claims.to_json()


def test_one_signing_key_has_one_scope() -> None:
    with pytest.raises(InvalidClaims, match="twice"):
        AccountClaims(signing_keys=(ACCOUNT, ScopedKey(ACCOUNT)))


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (AccountClaims, {"limits": []}, "limits"),
        (AccountClaims, {"limits": {"conn": "many"}}, "conn"),
        (AccountClaims, {"limits": {"conn": True}}, "conn"),
        (AccountClaims, {"limits": {"conn": 1.5}}, "conn"),
        (AccountClaims, {"limits": {"tiered_limits": {"R1": 3}}}, "R1"),
        (AccountClaims, {"signing_keys": "A"}, "signing_keys"),
        (AccountClaims, {"signing_keys": [1]}, "signing_keys"),
        (AccountClaims, {"signing_keys": [{"kind": "other_scope"}]}, "user_scope"),
        (AccountClaims, {"revocations": {"*": "now"}}, "revocations"),
        (AccountClaims, {"imports": [None]}, "imports"),
        (AccountClaims, {"exports": [{"type": "queue"}]}, "stream or service"),
        (AccountClaims, {"mappings": {"a": {}}}, "a must be a list"),
        (UserClaims, {"pub": {"allow": "a"}}, "allow"),
        (UserClaims, {"pub": {"allow": [1]}}, "allow"),
        (UserClaims, {"bearer_token": 1}, "bearer_token"),
        (ActivationClaims, {"kind": ""}, "stream or service"),
    ],
)
def test_json_of_the_wrong_shape_is_refused_by_field(
    kind: type[AccountClaims], body: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidClaims, match=field):
        kind.from_json(body)
