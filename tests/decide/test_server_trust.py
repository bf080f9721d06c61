"""The servers' configuration names what is trusted, and the Secret with the seeds holds nothing that is not."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from decide.key_material import numbered_entropy
from decide.secret_store import Secrets

from iotsec.decide import trust
from iotsec.decide.secrets import Owner, SecretManifest, facts_of, is_satisfied
from iotsec.decide.seeds import (
    OperatorPhase,
    TrustSeeds,
    completed,
    left_behind,
    newest_alone,
    records,
    with_generation,
    with_records,
)
from iotsec.decide.server_trust import nats_config, system_jwt_of
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, OperatorClaims
from iotsec.nats.keys import KeyType

NOW = 1_800_000_000
ROLES = {"iot": ("device",)}
ENTROPY = numbered_entropy()


@pytest.fixture
def seeds() -> TrustSeeds:
    return completed(TrustSeeds({}, {}), roles=ROLES, entropy=lambda: next(ENTROPY), now=NOW)


def added(seeds: TrustSeeds, name: str, kind: KeyType) -> TrustSeeds:
    return with_generation(seeds, name, kind, entropy=lambda: next(ENTROPY), now=NOW)


def config(seeds: TrustSeeds, existing: Mapping[str, bytes], *, now: int) -> dict[str, bytes]:
    return nats_config(trust.trust_root(seeds, roles=ROLES), name="iot/plant", existing=existing, now=now)


def operator_keys(data: Mapping[str, bytes]) -> tuple[str, ...]:
    claims = jwt.decode(data["operator.jwt"].decode()).claims
    assert isinstance(claims, OperatorClaims)
    return claims.signing_keys


def test_another_key_of_the_system_account_changes_its_jwt_and_asks_for_no_restart(seeds: TrustSeeds) -> None:
    first = config(seeds, {}, now=NOW)

    second = config(added(seeds, "system", KeyType.ACCOUNT), first, now=NOW + 60)

    assert second["operator.jwt"] == first["operator.jwt"]
    token = jwt.decode(system_jwt_of(second))
    assert isinstance(token.claims, AccountClaims)
    assert len(token.claims.signing_keys) == 2
    assert token.issued_at == NOW + 60
    assert config(added(seeds, "account.iot.unscoped", KeyType.ACCOUNT), first, now=NOW + 99) == first


def test_a_configuration_that_changes_twice_in_a_second_is_later_each_time(seeds: TrustSeeds) -> None:
    first = config(seeds, {}, now=NOW)
    two = added(seeds, "system", KeyType.ACCOUNT)

    second = config(two, first, now=NOW)
    third = config(newest_alone(two, "system"), second, now=NOW)

    times = [jwt.decode(system_jwt_of(each)).issued_at for each in (first, second, third)]
    assert times == [NOW, NOW + 1, NOW + 2]


@pytest.mark.parametrize(
    ("phase", "named", "signs"),
    [
        (OperatorPhase.NONE, (0, 1), 0),
        (OperatorPhase.PREPARED, (0, 1), 0),
        (OperatorPhase.RESIGNING, (0, 1), 1),
        (OperatorPhase.RESIGNED, (1,), 1),
    ],
)
def test_the_phase_says_which_keys_are_named_and_which_one_signs(
    seeds: TrustSeeds, phase: OperatorPhase, named: tuple[int, ...], signs: int
) -> None:
    two = added(seeds, "operator", KeyType.OPERATOR)
    two = with_records(two, replace(records(two.signing), operator=phase))
    root = trust.trust_root(two, roles=ROLES)

    data = config(two, {}, now=NOW)

    assert set(operator_keys(data)) == {root.operator_signing[number].public for number in named}
    assert jwt.decode(system_jwt_of(data)).issuer == root.operator_signing[signs].public


def test_records_survive_what_they_do_not_know(seeds: TrustSeeds) -> None:
    known = replace(records(seeds.signing), heeded={"iotsec.dev/rotate": "a"}, operator=OperatorPhase.RESIGNED)
    told = with_records(seeds, known)

    assert records(told.signing) == known
    again = completed(told, roles={"iot": ("device", "module")}, entropy=lambda: next(ENTROPY), now=NOW + 1)
    assert records(again.signing).operator is OperatorPhase.RESIGNED
    assert records(again.signing).heeded == {"iotsec.dev/rotate": "a"}


def test_a_seed_that_is_gone_leaves_the_secret_and_what_others_keep_there_stays(seeds: TrustSeeds) -> None:
    def manifest(signing: Mapping[str, bytes], stale: frozenset[str] = frozenset()) -> SecretManifest:
        owner = Owner("Hub", "plant", "uid")
        return SecretManifest(
            "iot", "plant-signing-keys", signing, owner, "signing-keys", "iot/plant", stale_data=stale
        )

    two = added(seeds, "account.iot.unscoped", KeyType.ACCOUNT)
    one = newest_alone(two, "account.iot.unscoped")
    store = Secrets()
    store.create(manifest({**two.signing, "notes.txt": b"ours"}).to_object())
    found = store.objects["plant-signing-keys"]
    stale = left_behind({**two.signing, "notes.txt": b"ours"}, one.signing)
    assert stale == {"account.iot.unscoped"}
    assert not is_satisfied(found, manifest(one.signing, stale))

    store.patch("plant-signing-keys", manifest(one.signing, stale).to_patch(replaces=facts_of(found["metadata"])))

    left = store.objects["plant-signing-keys"]
    assert left["data"].keys() == {*one.signing, "notes.txt"}
    assert is_satisfied(left, manifest(one.signing, stale))
