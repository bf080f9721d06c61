"""A Hub's trust root: made once, kept for ever, and known again by what it is."""

import os
from dataclasses import replace

import pytest

from iotsec.decide import trust
from iotsec.decide.seeds import RECORDS, TrustDamagedError, TrustSeeds, account_names, completed
from iotsec.decide.server_trust import nats_config
from iotsec.decide.trust import KnownKeys, TrustRoot
from iotsec.nats import jwt
from iotsec.nats.claims import OperatorClaims

NOW = 1_700_000_000
ROLES = ("device",)


def make(*accounts: str, of: TrustSeeds | None = None) -> tuple[TrustSeeds, TrustRoot]:
    """Seeds for these accounts, and the keys they are of."""
    roles = dict.fromkeys(accounts, ROLES)
    seeds = completed(of or TrustSeeds({}, {}), roles=roles, entropy=lambda: os.urandom(32), now=NOW)
    return seeds, trust.trust_root(seeds, roles=roles)


def status_of(root: TrustRoot) -> dict[str, object]:
    """What a Hub's status says of its keys."""
    return {
        "operatorPublicKey": root.operator.public,
        "systemAccountPublicKey": root.system.public,
        "accounts": [{"name": name, "publicKey": keys.public} for name, keys in root.accounts.items()],
    }


def test_another_account_leaves_every_seed_there_was_as_it_was() -> None:
    before, _ = make("iot")

    after, _ = make("iot", "mir", of=before)

    assert before.identity.items() < after.identity.items()
    assert {k: v for k, v in before.signing.items() if k != RECORDS}.items() < after.signing.items()
    assert account_names(after) == {"iot", "mir"}


def test_seeds_show_in_no_repr() -> None:
    seeds, root = make("iot")

    shown = f"{seeds!r} {root!r}"

    assert not any(seed.decode() in shown for seed in (*seeds.identity.values(), *seeds.signing.values()))


def test_the_seeds_a_status_tells_of_are_known_again() -> None:
    seeds, root = make("iot")

    trust.check_known(seeds, trust.known_keys(status_of(root)))
    trust.check_known(TrustSeeds({}, {}), trust.known_keys({}))  # nothing was made yet


@pytest.mark.parametrize("name", ["operator", "system", "account.iot"])
def test_an_identity_seed_that_is_missing_or_another_is_found_out(name: str) -> None:
    seeds, root = make("iot")
    strangers, _ = make("iot")
    known = trust.known_keys(status_of(root))

    with pytest.raises(TrustDamagedError, match="missing"):
        trust.check_known(replace(seeds, identity={k: v for k, v in seeds.identity.items() if k != name}), known)
    with pytest.raises(TrustDamagedError, match="another key"):
        trust.check_known(replace(seeds, identity={**seeds.identity, name: strangers.identity[name]}), known)


@pytest.mark.parametrize("name", ["operator", "system", "account.iot.unscoped"])
def test_a_signing_seed_that_is_missing_or_damaged_is_found_out_and_never_shown(name: str) -> None:
    seeds, root = make("iot")
    known = trust.known_keys(status_of(root))
    damaged = seeds.signing[name][:-1]

    with pytest.raises(TrustDamagedError, match="missing"):
        trust.check_known(replace(seeds, signing={k: v for k, v in seeds.signing.items() if k != name}), known)
    with pytest.raises(TrustDamagedError, match="damaged") as caught:
        trust.check_known(replace(seeds, signing={**seeds.signing, name: damaged}), known)
    assert damaged.decode() not in str(caught.value)


def test_a_role_that_a_later_version_knows_needs_no_backup() -> None:
    seeds, root = make("iot")
    older = {name: seed for name, seed in seeds.signing.items() if ".role." not in name}

    trust.check_known(replace(seeds, signing=older), trust.known_keys(status_of(root)))


def test_restored_secrets_prove_themselves_by_what_they_hold() -> None:
    seeds, root = make("iot")
    strangers, stranger = make("iot")
    known = trust.known_keys(status_of(root))
    config = nats_config(root, name="iot/plant", existing={}, now=NOW)
    forged = nats_config(stranger, name="iot/plant", existing={}, now=NOW)

    assert trust.proves_identity(seeds.identity, known)
    assert trust.proves_signing(seeds.signing, config, known)
    assert not trust.proves_identity(strangers.identity, known)
    assert not trust.proves_identity({}, known)
    assert not trust.proves_identity(seeds.identity, KnownKeys())
    assert not trust.proves_signing(strangers.signing, config, known)
    assert not trust.proves_signing(strangers.signing, forged, known)
    assert not trust.proves_signing(seeds.signing, {}, known)
    assert not trust.proves_signing(seeds.signing, config, KnownKeys())


def test_the_servers_configuration_stays_byte_for_byte_while_the_keys_do() -> None:
    _, root = make("iot")
    first = nats_config(root, name="iot/plant", existing={}, now=NOW)

    assert nats_config(root, name="iot/plant", existing=first, now=NOW + 10**6) == first


def test_a_changed_operator_jwt_is_later_than_the_one_before() -> None:
    _, root = make("iot")
    first = nats_config(root, name="iot/plant", existing={}, now=NOW)

    renamed = nats_config(root, name="iot/other", existing=first, now=NOW - 99)

    before, after = (jwt.decode(each["operator.jwt"].decode()) for each in (first, renamed))
    assert after.issued_at == before.issued_at + 1
    assert isinstance(after.claims, OperatorClaims)
    assert after.claims.strict_signing_key_usage


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff.\xff.\xff"])
def test_a_damaged_configuration_is_written_anew(damage: bytes) -> None:
    _, root = make("iot")
    whole = nats_config(root, name="iot/plant", existing={}, now=NOW)

    assert nats_config(root, name="iot/plant", existing={"operator.jwt": damage}, now=NOW) == whole
