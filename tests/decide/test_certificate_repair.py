"""A certificate Secret that somebody else changed, took away, or stands in the way of."""

from base64 import b64encode

import pytest
from decide.encrypted_world import CREDS, DAY, TLS, EncryptedWorld, condition
from decide.world import decide, ready

from iotsec.decide import names
from iotsec.decide.views import Obstacle
from iotsec.x509.certificate import matches
from iotsec.x509.keys import KeyType, generate


@pytest.fixture
def shown() -> EncryptedWorld:
    """A world whose Device has its credential and its certificate."""
    plant = EncryptedWorld()
    plant.settle()
    return plant


def patch(world: EncryptedWorld, **data: bytes) -> None:
    """Change data of the certificate Secret by hand; a name's dots are written as underscores."""
    world.watch()
    encoded = {key.replace("_", "."): b64encode(value).decode() for key, value in data.items()}
    world.secrets.patch(TLS, {"data": encoded}, manager="kubectl")


@pytest.mark.parametrize(
    "damage",
    [{"tls_key": b""}, {"tls_crt": b"?"}, {"tls_key": generate(KeyType()).to_pem()}],
    ids=["the key is empty", "the certificate is none", "the key is another"],
)
def test_a_certificate_or_key_that_was_damaged_is_replaced_by_a_new_pair(
    shown: EncryptedWorld, damage: dict[str, bytes]
) -> None:
    patch(shown, **damage)

    shown.settle()

    data = shown.certificate_data()
    assert matches(data["tls.crt"], data["tls.key"])
    assert len(shown.shown) == 2


def test_a_bundle_that_was_damaged_is_mended_and_the_certificate_kept(shown: EncryptedWorld) -> None:
    patch(shown, ca_crt=b"")

    shown.settle()

    assert shown.tls is not None
    assert shown.certificate_data()["ca.crt"] == shown.tls.bundle
    assert len(shown.shown) == 1


def test_a_note_that_was_damaged_is_found_again_by_status_and_certificate(shown: EncryptedWorld) -> None:
    shown.watch()
    shown.secrets.patch(
        TLS, {"metadata": {"annotations": {names.CERTIFICATE_ISSUED: "?", names.SEAL: None}}}, manager="kubectl"
    )

    shown.settle()

    assert len(shown.shown) == 1, "nobody has to take another certificate for that"
    assert shown.note().serial == shown.shown[-1].facts.serial
    assert not shown.revoked().entries


@pytest.mark.parametrize("label", [names.COMPONENT, names.MANAGED_BY[0]])
def test_a_label_that_was_taken_away_comes_back(shown: EncryptedWorld, label: str) -> None:
    shown.watch()
    before = shown.certificate_secret()["metadata"]["labels"][label]
    shown.secrets.patch(TLS, {"metadata": {"labels": {label: "other"}}}, manager="kubectl")

    shown.settle()

    assert shown.certificate_secret()["metadata"]["labels"][label] == before
    assert len(shown.shown) == 1


def test_a_secret_that_somebody_deletes_comes_back_with_the_same_certificate(shown: EncryptedWorld) -> None:
    shown.secrets.delete(TLS)

    shown.settle()

    assert "deletionTimestamp" not in shown.certificate_secret()["metadata"]
    assert len(shown.shown) == 1
    assert shown.accepts(shown.shown[-1])


@pytest.mark.parametrize("effects", range(6))
def test_a_move_that_stops_anywhere_is_finished_and_ends_nothing(shown: EncryptedWorld, effects: int) -> None:
    shown.change(certificate={"secretName": "weather-cert"})
    shown.reconcile(effects)
    shown.restart()

    shown.settle()

    assert shown.secrets.objects.keys() == {CREDS, "weather-cert"}
    assert len(shown.shown) == 1
    assert shown.accepts(shown.shown[-1])


@pytest.mark.parametrize("effects", range(6))
def test_a_renewal_that_stops_anywhere_is_finished_and_ends_nothing(shown: EncryptedWorld, effects: int) -> None:
    shown.now += 75 * DAY
    shown.reconcile(effects)
    shown.restart()

    shown.settle()

    data = shown.certificate_data()
    assert matches(data["tls.crt"], data["tls.key"])
    assert len(shown.shown) == 2
    assert all(shown.accepts(one) for one in shown.shown)


def test_somebody_elses_secret_of_the_name_is_not_touched_and_credentials_are_issued() -> None:
    plant = EncryptedWorld()
    plant.push()
    plant.secrets.create({"metadata": {"name": TLS, "namespace": "iot"}, "data": {}}, manager="kubectl")

    plan = decide(plant, hub=plant.view(), certificate_obstacle=Obstacle())

    assert plan.write is not None
    assert plan.write.manifest.name == CREDS
    assert plan.write_certificate is None
    status = plan.status or {}
    assert ready(dict(status)) == ("False", "SecretConflict")
    assert condition(dict(status), "CertificateIssued") == ("False", "SecretConflict")
    assert plan.settled, "only a change of the spec, or of that Secret, can help"


def test_the_secret_of_an_earlier_object_of_the_name_is_waited_for() -> None:
    plant = EncryptedWorld()
    plant.push()

    plan = decide(plant, hub=plant.view(), certificate_obstacle=Obstacle(leaving=True))

    assert condition(dict(plan.status or {}), "Reconciling") == ("True", "SecretConflict")


def test_creds_never_take_the_place_of_a_certificate(shown: EncryptedWorld) -> None:
    shown.change(secretName=TLS)

    shown.settle()

    assert shown.secrets.objects.keys() == {CREDS, TLS}
    assert ready(shown.status) == ("False", "SecretConflict")
