"""An identity's certificate: what it says, how it is presented, and when it is there."""

from base64 import b64decode

import pytest
from decide.encrypted_world import CREDS, DAY, TLS, EncryptedWorld, authority, condition
from decide.world import NOW, World, ready

from iotsec.x509.bundle import digest
from iotsec.x509.certificate import matches, read_certificate
from iotsec.x509.keys import spki_sha256


@pytest.fixture
def plant() -> EncryptedWorld:
    return EncryptedWorld()


@pytest.fixture
def shown(plant: EncryptedWorld) -> EncryptedWorld:
    """A world whose Device has its credential and its certificate."""
    plant.settle()
    return plant


def test_a_new_device_gets_both_secrets_in_one_go_and_is_ready(plant: EncryptedWorld) -> None:
    plan = plant.reconcile()
    plant.push()
    plant.settle()

    assert plan.writes == 3, "the creds Secret, the certificate Secret, the status"
    assert set(plant.creds_data()) == {"nats.creds", "user.jwt", "inbox-prefix", "ca.crt"}
    assert set(plant.certificate_data()) == {"tls.crt", "tls.key", "ca.crt"}
    assert plant.certificate_secret()["type"] == "kubernetes.io/tls"
    assert ready(plant.status) == ("True", "Issued")
    assert condition(plant.status, "CertificateIssued") == ("True", "Issued")


def test_the_certificate_says_who_it_is_for_and_is_of_the_key_beside_it(plant: EncryptedWorld) -> None:
    plant.change(certificate={"dnsNames": ["weather.example.com"], "ipAddresses": ["10.0.0.7"]})

    plant.settle()

    data = plant.certificate_data()
    facts = read_certificate(data["tls.crt"])
    assert matches(data["tls.crt"], data["tls.key"])
    assert facts.names.common_name == "weather-01"
    assert facts.names.uris == ("spiffe://plant.iot/ns/iot/device/weather-01",)
    assert facts.names.dns_names == ("weather.example.com",)
    assert facts.names.ip_addresses == ("10.0.0.7",)
    assert (facts.issued_at, facts.expires_at) == (NOW - 60, NOW + 90 * DAY)


def test_the_secret_carries_the_annotations_that_readers_of_cert_managers_secrets_expect(shown: EncryptedWorld) -> None:
    annotations = shown.certificate_secret()["metadata"]["annotations"]

    assert annotations["cert-manager.io/common-name"] == "weather-01"
    assert annotations["cert-manager.io/uri-sans"] == "spiffe://plant.iot/ns/iot/device/weather-01"
    assert annotations["cert-manager.io/issuer-name"] == "plant"
    assert annotations["cert-manager.io/alt-names"] == ""


def test_the_status_tells_of_the_certificate_what_is_not_secret(shown: EncryptedWorld) -> None:
    told, facts = shown.status["certificate"], shown.shown[-1].facts

    assert told["secretName"] == TLS
    assert told["serial"] == f"{facts.serial:x}"
    assert told["issuer"] == facts.issuer_key_id
    assert told["revision"] == 1
    assert told["issuedAt"] < told["renewalTime"] < told["expiresAt"]


def test_a_second_look_does_nothing(shown: EncryptedWorld) -> None:
    before = (shown.secrets.version, shown.status_writes)

    plan = shown.settle()

    assert (shown.secrets.version, shown.status_writes) == before
    assert (plan.write, plan.write_certificate, plan.action) == (None, None, "")


def test_a_restart_reads_no_secret_and_writes_nothing(shown: EncryptedWorld) -> None:
    before = (shown.secrets.version, shown.status_writes)

    shown.restart()
    shown.watch()
    plan = shown.plan()
    shown.carry_out(plan)

    assert (plan.read_secret, plan.read_certificate) == (None, None)
    assert (shown.secrets.version, shown.status_writes) == before


def test_without_a_policy_secrets_and_statuses_are_as_they_always_were() -> None:
    plain, encrypted = World(), EncryptedWorld()
    encrypted.tls = None

    plain.settle()
    encrypted.settle()

    assert encrypted.secrets.objects.keys() == plain.secrets.objects.keys()
    assert set(encrypted.creds_data()) == {"nats.creds", "user.jwt", "inbox-prefix"}
    assert encrypted.status.keys() == plain.status.keys()


def test_an_encrypted_hub_whose_policy_is_server_only_gives_the_bundle_and_no_certificate() -> None:
    plant = EncryptedWorld()
    plant.encrypt(mutual=False)

    plant.settle()

    assert plant.secrets.objects.keys() == {CREDS}
    assert "ca.crt" in plant.creds_data()
    assert condition(plant.status, "CertificateIssued") == ("", "")


def test_a_policy_that_is_applied_to_a_fleet_rewrites_its_secrets_in_its_turn(shown: EncryptedWorld) -> None:
    tls, shown.tls = shown.tls, None
    shown.settle()
    assert "ca.crt" not in shown.creds_data()
    before, shown.tls = shown.tokens[-1], tls

    shown.watch()
    plan = shown.plan()
    shown.settle()

    assert plan.deadline is None, "who may not connect any more waits for nobody"
    assert shown.tokens[-1].token == before.token, "the credential is the same"
    assert "ca.crt" in shown.creds_data()


def test_a_new_bundle_is_brought_to_both_secrets_within_its_time_and_changes_nothing_else(
    shown: EncryptedWorld,
) -> None:
    assert shown.tls is not None
    assert shown.tls.authority is not None
    former, second = shown.tls.authority, authority(2)
    token, certificate = shown.tokens[-1].token, shown.shown[-1]

    shown.trust(former, second, use=former)
    shown.watch()
    plan = shown.plan()
    shown.settle()

    assert plan.deadline == NOW + 3600
    for data in (shown.creds_data(), shown.certificate_data()):
        assert data["ca.crt"] == shown.tls.bundle
    assert (shown.tokens[-1].token, shown.shown[-1]) == (token, certificate)
    assert shown.note().bundle == digest(shown.tls.bundle)


def test_while_nobody_can_sign_what_was_issued_stays_and_stays_ready(shown: EncryptedWorld) -> None:
    shown.encrypt(problem="the Secret plant-own-ca is gone", authority=None, generation="")
    shown.now += 75 * DAY

    for _ in range(3):
        plan = shown.reconcile()

    assert (plan.write_certificate, plan.drop) == (None, ())
    assert ready(shown.status) == ("True", "Issued")
    assert condition(shown.status, "CertificateIssued") == ("True", "IssuerNotReady")
    assert plan.due is None or plan.due > shown.now, "it is not looked at again and again"


def test_while_nobody_can_sign_a_new_device_gets_its_credential_and_waits_for_its_certificate() -> None:
    plant = EncryptedWorld()
    plant.encrypt(problem="the Secret plant-own-ca is gone", authority=None, generation="")

    plant.reconcile()
    plant.push()
    plan = plant.reconcile()

    assert set(plant.secrets.objects) == {CREDS}
    assert ready(plant.status) == ("False", "IssuerNotReady")
    assert not plan.settled


def test_a_certificate_that_ended_while_nobody_could_sign_is_replaced_as_soon_as_somebody_can(
    shown: EncryptedWorld,
) -> None:
    assert shown.tls is not None
    sound = shown.tls
    shown.encrypt(problem="the Secret plant-own-ca is gone", authority=None, generation="")
    shown.now += 91 * DAY
    shown.reconcile()
    assert ready(shown.status) == ("False", "IssuerNotReady")

    shown.tls = sound
    shown.settle()

    assert ready(shown.status) == ("True", "Issued")
    assert shown.accepts(shown.shown[-1])


def test_when_a_policy_goes_its_certificates_and_its_bundle_go(shown: EncryptedWorld) -> None:
    shown.tls = None

    shown.settle()

    assert shown.secrets.objects.keys() == {CREDS}
    assert "ca.crt" not in shown.creds_data()
    assert "certificate" not in shown.status
    assert ready(shown.status) == ("True", "Issued")


def test_the_secret_may_have_another_name_and_moves_when_that_changes(shown: EncryptedWorld) -> None:
    first = shown.shown[-1]

    shown.change(certificate={"secretName": "weather-cert"})
    shown.settle()

    assert shown.secrets.objects.keys() == {CREDS, "weather-cert"}
    assert shown.shown[-1] == first, "the certificate is the same"
    assert shown.status["certificate"]["secretName"] == "weather-cert"
    assert not shown.revoked().entries


def test_both_secrets_cannot_have_the_same_name(plant: EncryptedWorld) -> None:
    plant.change(secretName="weather", certificate={"secretName": "weather"})

    plant.reconcile()
    plant.push()
    plant.reconcile()

    assert plant.secrets.objects.keys() == {"weather"}
    assert ready(plant.status) == ("False", "SecretConflict")
    assert "nats.creds" in {k: b64decode(v) for k, v in plant.secrets.objects["weather"]["data"].items()}


def test_the_note_knows_the_key_as_servers_tell_it(shown: EncryptedWorld) -> None:
    assert shown.note().key == spki_sha256(shown.shown[-1].facts.public)
