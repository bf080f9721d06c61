"""How a Hub's CAs are written down, and what is left of them when the Secret is damaged."""

import json
from dataclasses import replace

import pytest
from decide.trusting_world import CA_LIFE, SOURCE, START, new_ca
from hypothesis import given
from hypothesis import strategies as st
from x509.pki import DAY, NOW, below, leaf, long_root, root

from iotsec.api.issuers import IssuerRef
from iotsec.decide.authorities import (
    LOST,
    STATE,
    Authorities,
    AuthoritiesDamagedError,
    Phase,
    first,
    is_asked,
    is_kept,
    of_authority,
    of_root,
    read_authorities,
    recovered,
    roots_in,
    source_of,
    with_key,
)
from iotsec.x509.bundle import bundle, separate
from iotsec.x509.certificate import InvalidCertificateError

OF_OURS = "ca/plant-ca-of-ours"
ISSUER = source_of(IssuerRef(name="plant"))
COMPANY = long_root()
PLANT = below(COMPANY)
OLD, NEW = new_ca(START), replace(new_ca(START), number=2)
TWO = Authorities((OLD, NEW), current=1, phase=Phase.TRUST, since=START, arrived=START + 5, heeded="2030-01-31")
INTERMEDIATE = first(of_authority(PLANT, OF_OURS), now=NOW)


def read(data: dict[str, bytes], now: int = START) -> Authorities:
    return read_authorities(data, now=now)


def without(*entries: str) -> dict[str, bytes]:
    return {name: value for name, value in TWO.to_data().items() if name not in entries}


@pytest.mark.parametrize(
    "state",
    [
        first(OLD, now=START),
        TWO,
        replace(TWO, current=2, phase=Phase.USE),
        INTERMEDIATE,
        first(of_root(COMPANY.root, ISSUER), now=NOW),
        recovered([OLD.root, NEW.root], now=START),
    ],
)
def test_what_is_written_down_reads_back(state: Authorities) -> None:
    again = read(state.to_data(), now=NOW)

    assert again == state
    assert again.to_data() == state.to_data()


def test_a_ca_of_the_operators_own_signs_again_after_a_restart() -> None:
    again = read(TWO.to_data())

    assert [one.authority == two.authority for one, two in zip(again.generations, TWO.generations, strict=True)]
    assert again.signing.authority is not None
    assert leaf(again.signing.authority, now=START)


def test_the_bundle_has_the_root_in_use_first_and_the_same_roots_in_an_order_that_stays() -> None:
    used = replace(TWO, current=2, phase=Phase.USE)

    assert TWO.bundle == TWO.to_data()["ca.crt"] == OLD.root + NEW.root
    assert used.bundle == NEW.root + OLD.root
    assert used.roots == TWO.roots == OLD.root + NEW.root


def test_only_keys_of_the_operators_own_are_written() -> None:
    assert [name for name in TWO.to_data() if name.endswith(".key")] == ["1.key", "2.key"]
    assert not [name for name in INTERMEDIATE.to_data() if name.endswith(".key")]
    assert PLANT.key.to_pem() not in INTERMEDIATE.to_data().values()


def test_a_key_of_somebody_elses_is_at_hand_while_it_is_given() -> None:
    again = read(INTERMEDIATE.to_data(), now=NOW)

    given = with_key(again, PLANT)

    assert again.signing.authority is None
    assert given.signing.authority == PLANT
    assert given == again
    assert not [name for name in given.to_data() if name.endswith(".key")]


def test_a_key_of_another_ca_is_not_taken_for_it() -> None:
    again = read(INTERMEDIATE.to_data(), now=NOW)

    assert with_key(again, below(COMPANY)).signing.authority is None
    assert with_key(first(replace(OLD, authority=None), now=START), PLANT).signing.authority is None


def test_a_ca_whose_key_is_lost_is_trusted_and_signs_no_more() -> None:
    again = read(without("1.key"))

    assert again == TWO
    assert (again.signing.authority, again.newest.authority) == (None, NEW.authority)


@pytest.mark.parametrize("key", [b"", b"not a key", NEW.authority.key.to_pem() if NEW.authority else b""])
def test_a_key_that_is_not_the_cas_is_no_key(key: bytes) -> None:
    again = read(TWO.to_data() | {"1.key": key})

    assert again.signing.authority is None
    assert "1.key" not in again.to_data()


@pytest.mark.parametrize("now", [START - DAY, START + CA_LIFE + DAY])
def test_a_wrong_clock_costs_no_key(now: int) -> None:
    puzzled = read(TWO.to_data(), now=now)

    assert puzzled.signing.authority is None
    assert puzzled.to_data() == TWO.to_data()
    assert read(puzzled.to_data()).signing.authority == OLD.authority


def test_one_of_two_entries_of_a_root_is_enough() -> None:
    assert read(without("1.root.crt")) == TWO
    assert read(TWO.to_data() | {"1.root.crt": b"garbled"}) == TWO
    rootless = read(without("1.crt", "1.key"))
    assert (rootless.bundle, rootless.signing.authority) == (TWO.bundle, None)
    assert read(TWO.to_data() | {"1.crt": b"garbled"}).bundle == TWO.bundle


def test_a_ca_that_somebody_else_signs_below_is_not_trusted_in_place_of_its_root() -> None:
    data = INTERMEDIATE.to_data()
    del data["1.root.crt"]

    with pytest.raises(AuthoritiesDamagedError):
        read(data, now=NOW)


def test_the_end_of_an_intermediate_is_that_of_its_chain() -> None:
    again = read(INTERMEDIATE.to_data(), now=NOW)

    assert again.signing.expires_at == PLANT.expires_at


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"generations": 1}',
        *(
            json.dumps(json.loads(TWO.to_data()[STATE]) | change).encode()
            for change in (
                {"generations": []},
                {"generations": [1]},
                {"generations": [{"number": 1, "source": SOURCE}, {"number": 1, "source": SOURCE}]},
                {"generations": [{"number": 3, "source": SOURCE}]},
                {"current": 3},
                {"current": None},
                {"phase": "Forget"},
                {"since": "yesterday"},
            )
        ),
    ],
)
def test_a_secret_that_holds_something_else_is_damaged(state: bytes) -> None:
    with pytest.raises(AuthoritiesDamagedError, match="do not fit together"):
        read(TWO.to_data() | {STATE: state})


@given(st.sampled_from(sorted(TWO.to_data())), st.binary(max_size=40))
def test_whatever_stands_in_an_entry_a_secret_is_read_or_damaged_and_no_root_is_lost(name: str, value: bytes) -> None:
    try:
        again = read(TWO.to_data() | {name: value})
    except AuthoritiesDamagedError:
        return
    assert again.bundle == TWO.bundle


def test_a_secret_of_nothing_is_damaged() -> None:
    with pytest.raises(AuthoritiesDamagedError):
        read({})


def test_of_a_lost_secret_is_left_what_servers_trust_and_the_one_in_use_is_known() -> None:
    config = {"ca-0123456789ab.crt": TWO.bundle, "server.conf": b"", "server-0123456789ab.crt": NEW.certificate}

    left = recovered(roots_in(config), now=START)

    assert left is not None
    assert left.bundle == TWO.bundle
    assert (left.signing.root, left.phase) == (OLD.root, Phase.STEADY)
    assert {(one.source, one.authority) for one in left.generations} == {(LOST, None)}


def test_a_root_that_servers_were_told_twice_is_there_once() -> None:
    left = recovered(roots_in({"ca-1.crt": OLD.root, "ca-2.crt": bundle(OLD.root, NEW.root)}), now=START)

    assert left is not None
    assert sorted(separate(left.bundle)) == sorted([OLD.root, NEW.root])
    assert len(left.generations) == 2


def test_a_ca_of_somebody_elses_is_found_again_after_the_secret_was_lost() -> None:
    given = root()
    left = recovered([given.root], now=NOW)

    assert left is not None
    assert with_key(left, given).signing.authority == given


@pytest.mark.parametrize("config", [{}, {"ca-0123456789ab.crt": b"garbled"}, {"server-1.crt": OLD.root}])
def test_where_servers_trust_nobody_nothing_is_left(config: dict[str, bytes]) -> None:
    assert recovered(roots_in(config), now=START) is None


def test_a_root_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidCertificateError):
        of_root(b"garbled", ISSUER)


def test_a_source_tells_who_has_the_key() -> None:
    assert [is_kept(source) for source in (SOURCE, OF_OURS, ISSUER, LOST)] == [True, False, False, False]
    assert [is_asked(source) for source in (SOURCE, OF_OURS, ISSUER, LOST)] == [False, False, True, False]
    assert source_of(IssuerRef(name="plant", kind="ClusterIssuer")) != ISSUER


def test_no_key_is_shown() -> None:
    shown = f"{TWO!r} {TWO} {TWO.signing!r}"

    assert "PRIVATE" not in shown
    assert TWO.to_data()["1.key"].splitlines()[1].decode() not in shown
