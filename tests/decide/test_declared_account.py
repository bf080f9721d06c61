"""What an account's JWT says of limits, shares and default permissions, each time in the same bytes."""

from dataclasses import replace
from typing import Any

import pytest
from decide.key_material import account_keys, numbered_entropy

from iotsec.api.hub import HubSpec
from iotsec.decide.account import AccountKeys
from iotsec.decide.declared_account import declared_claims
from iotsec.nats import jwt
from iotsec.nats.claims import (
    AccountClaims,
    AccountLimits,
    ActivationClaims,
    Export,
    JetStreamLimits,
    Permissions,
    ShareKind,
)
from iotsec.nats.keys import KeyType, SigningKey

ENTROPY = numbered_entropy()
KEYS = {name: account_keys(name, ENTROPY) for name in ("mir", "plc")}
ALARMS = {"name": "alarms", "type": "Stream", "subject": "alarms.>"}
TIME = {"name": "time", "type": "Service", "subject": "time.*"}


def claims(
    *accounts: dict[str, Any], keys: dict[str, AccountKeys] = KEYS, adopted: AccountClaims | None = None
) -> AccountClaims:
    """What is said of the first of the accounts."""
    spec = HubSpec.parse({"nats": {"servers": ["nats://nats:4222"]}, "accounts": list(accounts)})
    return declared_claims(spec, spec.accounts[0], keys, adopted=adopted)


def importer(**fields: Any) -> dict[str, Any]:
    return {"name": "mir", "imports": [TIME | {"account": "plc", "subject": "time.utc"} | fields]}


def activation(found: AccountClaims) -> jwt.Decoded:
    (shared,) = found.imports
    return jwt.decode(shared.token)


def test_what_is_left_out_is_unlimited_and_jetstream_is_off() -> None:
    assert claims({"name": "mir"}) == AccountClaims(limits=AccountLimits())


def test_limits_are_as_they_are_written() -> None:
    limits = {
        "connections": 10,
        "leafNodes": 0,
        "subscriptions": 5,
        "payload": "1Ki",
        "imports": 1,
        "exports": 2,
        "wildcardExports": False,
        "disallowBearer": True,
    }

    assert claims({"name": "mir", "limits": limits}).limits == AccountLimits(
        connections=10,
        leaf_nodes=0,
        subscriptions=5,
        payload=1024,
        imports=1,
        exports=2,
        wildcard_exports=False,
        disallow_bearer=True,
    )


def test_jetstream_is_limited_at_large_or_by_tiers() -> None:
    at_large = claims({"name": "mir", "jetStream": {"diskStorage": "1Gi", "streams": 3}}).limits
    tiered = claims({"name": "mir", "jetStream": {"tiers": [{"replicas": 3, "memoryStorage": "1Mi"}]}}).limits

    assert (at_large.jetstream, dict(at_large.tiers)) == (JetStreamLimits(disk_storage=2**30, streams=3), {})
    assert (tiered.jetstream, dict(tiered.tiers)) == (None, {"R3": JetStreamLimits(memory_storage=2**20)})


def test_default_permissions_never_reach_the_system() -> None:
    declared = {"publish": {"allow": ["*.telemetry"]}, "subscribe": {"deny": ["secrets.>"]}}

    found = claims({"name": "mir", "defaultPermissions": declared}).default_permissions

    assert found == Permissions(
        publish_allow=("*.telemetry",),
        publish_deny=("$SYS.>",),
        subscribe_allow=(">",),
        subscribe_deny=("$SYS.>", "secrets.>"),
    )


def test_an_export_to_all_asks_for_no_token_and_one_to_few_does() -> None:
    answering = TIME | {"responseType": "Chunked", "responseThreshold": "2s", "accounts": ["mir"], "advertise": True}

    found = claims({"name": "plc", "exports": [ALARMS, answering]}, {"name": "mir"}).exports

    assert found == (
        Export("alarms.>", ShareKind.STREAM, name="alarms"),
        Export(
            "time.*",
            ShareKind.SERVICE,
            name="time",
            token_required=True,
            response_type="Chunked",
            response_threshold_ns=2 * 10**9,
            advertise=True,
        ),
    )


def test_an_import_of_what_all_may_have_carries_no_token() -> None:
    (shared,) = claims(importer(localSubject="clock"), {"name": "plc", "exports": [TIME]}).imports

    assert (shared.subject, shared.local_subject, shared.account) == ("time.utc", "clock", KEYS["plc"].public)
    assert shared.token == ""


def test_an_activation_is_the_exporters_leave_for_this_account_and_this_subject_alone() -> None:
    found = activation(claims(importer(), {"name": "plc", "exports": [TIME | {"accounts": ["mir"]}]}))

    assert (found.issuer, found.subject) == (KEYS["plc"].public, KEYS["mir"].public)
    assert found.claims == ActivationClaims("time.utc", ShareKind.SERVICE)
    assert found.expires_at is None


def test_an_activation_is_signed_by_the_oldest_signing_key_where_the_identity_is_not_ours() -> None:
    foreign = replace(KEYS["plc"], public=SigningKey.generate(KeyType.ACCOUNT, b"f" * 32).public)
    exporter = {"name": "plc", "exports": [TIME | {"accounts": ["mir"]}]}

    found = activation(claims(importer(), exporter, keys=KEYS | {"plc": foreign}))

    assert found.issuer == foreign.unscoped[0].public
    assert found.claims == ActivationClaims("time.utc", ShareKind.SERVICE, issuer_account=foreign.public)


def test_the_same_spec_and_keys_give_the_same_bytes() -> None:
    accounts = importer(), {"name": "plc", "exports": [TIME | {"accounts": ["mir"]}]}

    assert claims(*accounts).to_json() == claims(*accounts).to_json()


def test_no_token_shows_in_a_repr() -> None:
    found = claims(importer(), {"name": "plc", "exports": [TIME | {"accounts": ["mir"]}]})

    assert found.imports[0].token not in repr(found)


@pytest.mark.parametrize(
    ("declared", "connections"), [({"name": "mir"}, 7), ({"name": "mir", "limits": {"connections": 9}}, 9)]
)
def test_an_adopted_account_keeps_what_the_spec_leaves_out(declared: dict[str, Any], connections: int) -> None:
    theirs = AccountClaims(
        exports=(Export("old.>", ShareKind.STREAM), Export("alarms.>", ShareKind.STREAM, name="before")),
        limits=AccountLimits(connections=7, payload=99, jetstream=JetStreamLimits(disk_storage=5)),
        default_permissions=Permissions(publish_allow=("a",)),
        description="made by hand",
    )

    found = claims(declared | {"exports": [ALARMS]}, adopted=theirs)

    assert [(export.subject, export.name) for export in found.exports] == [("alarms.>", "alarms"), ("old.>", "")]
    assert found.limits == replace(theirs.limits, connections=connections)
    assert found.default_permissions == theirs.default_permissions
    assert found.description == "made by hand"
