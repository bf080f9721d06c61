"""When another certificate takes the place of one, and what becomes of the former."""

from typing import NoReturn

import pytest
from decide.encrypted_world import DAY, TLS, EncryptedWorld, authority
from decide.world import NOW

from iotsec.decide import names
from iotsec.decide.identity import plan_identity
from iotsec.decide.rotation import Policy
from iotsec.decide.windows import Window
from iotsec.x509.certificate import matches
from iotsec.x509.keys import KeyType


@pytest.fixture
def plant() -> EncryptedWorld:
    return EncryptedWorld()


@pytest.fixture
def shown(plant: EncryptedWorld) -> EncryptedWorld:
    """A world whose Device has its credential and its certificate."""
    plant.settle()
    return plant


def test_a_renewal_changes_key_and_certificate_in_one_write_and_ends_nothing(shown: EncryptedWorld) -> None:
    first = shown.shown[-1]
    shown.now = shown.note().issued_at + 89 * DAY // 2 + 30 * DAY

    shown.watch()
    plan = shown.plan()
    shown.settle()

    second = shown.shown[-1]
    assert plan.read_certificate is None, "nothing of the former is needed"
    assert plan.deadline is not None
    assert second.facts.public != first.facts.public
    assert shown.accepts(first)
    assert shown.accepts(second)
    assert shown.status["certificate"]["revision"] == 2
    data = shown.certificate_data()
    assert matches(data["tls.crt"], data["tls.key"])


def test_a_renewal_makes_and_signs_nothing_before_its_turn_has_come(plant: EncryptedWorld) -> None:
    plant.encrypt(policy=Policy(duration=9 * DAY))
    plant.settle()
    plant.now += 7 * DAY

    def nothing(*_: object) -> NoReturn:
        raise AssertionError("it is made before its turn")

    seen = plant.observed()
    plan = plan_identity(plant.identity(), plant.view(), seen, now=plant.now, entropy=nothing, make_key=nothing)

    assert plan.awaits_turn
    assert plan.writes == 2, "the certificate Secret and the status"
    assert plan.deadline is not None


def test_where_keys_are_kept_a_renewal_is_for_the_same_key(shown: EncryptedWorld) -> None:
    first = shown.shown[-1]
    shown.encrypt(keep_key=True)
    shown.now += 75 * DAY

    shown.settle()

    second = shown.shown[-1]
    assert second.facts.public == first.facts.public
    assert second.facts.serial != first.facts.serial


def test_a_rotation_that_somebody_asks_for_gives_another_key_even_where_keys_are_kept(shown: EncryptedWorld) -> None:
    first = shown.shown[-1]
    shown.encrypt(keep_key=True)
    shown.rotate = "now"

    shown.settle()
    shown.settle()

    assert len(shown.shown) == 2, "once"
    assert shown.shown[-1].facts.public != first.facts.public
    assert shown.accepts(first), "who has the former may take its time"


def test_a_rotation_can_be_asked_for_on_the_certificate_secret_alone(shown: EncryptedWorld) -> None:
    token = shown.tokens[-1].token
    shown.secrets.patch(TLS, {"metadata": {"annotations": {names.ROTATE: "now"}}}, manager="kubectl")

    shown.settle()

    assert len(shown.shown) == 2
    assert shown.tokens[-1].token == token


def test_a_ca_that_takes_over_replaces_certificates_in_their_turn(shown: EncryptedWorld) -> None:
    assert shown.tls is not None
    assert shown.tls.authority is not None
    first, former, second = shown.shown[-1], shown.tls.authority, authority(2)
    shown.trust(former, second, use=former)
    shown.settle()

    shown.trust(former, second, use=second)
    shown.encrypt(reissue_deadline=NOW + 5000)
    shown.watch()
    plan = shown.plan()
    shown.settle()

    assert plan.deadline == NOW + 5000
    assert shown.shown[-1].facts.issuer_key_id == second.key_id
    assert shown.accepts(first)


def test_a_certificate_of_a_ca_that_is_trusted_no_more_is_replaced_at_once(shown: EncryptedWorld) -> None:
    second = authority(2)

    shown.trust(second, use=second)
    shown.watch()
    plan = shown.plan()
    shown.settle()

    assert plan.deadline is None
    assert shown.accepts(shown.shown[-1])


def test_another_kind_of_key_for_everybody_comes_in_its_turn(shown: EncryptedWorld) -> None:
    first = shown.shown[-1]
    shown.encrypt(key_type=KeyType("Ed25519", 0))

    shown.watch()
    plan = shown.plan()
    shown.settle()

    assert plan.deadline == NOW + 3600
    assert shown.shown[-1].facts.public != first.facts.public
    assert shown.accepts(first)


def test_a_certificate_never_outlives_its_ca_and_is_not_renewed_for_nothing() -> None:
    plant = EncryptedWorld()
    short = authority(3, days=30)
    plant.trust(short, use=short)
    plant.settle()
    plant.now += 29 * DAY
    plant.settle()

    assert [one.facts.expires_at for one in plant.shown] == [short.expires_at]


def test_renewals_wait_for_a_window() -> None:
    plant = EncryptedWorld()
    nights = (Window(cron="0 3 * * *", duration=3600, time_zone="UTC"),)
    plant.encrypt(policy=Policy(duration=90 * DAY, windows=nights))

    plant.settle()

    assert "T03:" in plant.status["certificate"]["renewalTime"]


def test_a_certificate_is_renewed_by_its_own_policy_before_it_ends() -> None:
    plant = EncryptedWorld()
    plant.encrypt(policy=Policy(duration=3600))
    plant.settle()

    for _ in range(60):
        plant.now += 300
        plant.settle()
        assert plant.accepts(plant.shown[-1])

    assert 6 <= len(plant.shown) <= 12
