"""Devices that keep their keys: they hand in a request, and get a certificate and nothing else."""

import pytest
from decide.encrypted_world import CREDS, TLS, EncryptedWorld, condition
from decide.world import ready

from iotsec.x509.certificate import read_certificate
from iotsec.x509.keys import KeyType, PrivateKey, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request

KEY = generate(KeyType("Ed25519", 0))


def request(key: PrivateKey = KEY, **names: tuple[str, ...]) -> str:
    return make_request(key, Names("whatever the device likes", **names), Usage.CLIENT).decode()


@pytest.fixture
def plant() -> EncryptedWorld:
    return EncryptedWorld()


@pytest.fixture
def asking(plant: EncryptedWorld) -> EncryptedWorld:
    """A world whose Device has the certificate it handed in a request for."""
    plant.change(certificate={"csr": request()})
    plant.settle()
    return plant


def test_the_certificate_is_for_the_key_of_the_request_and_names_who_we_know(asking: EncryptedWorld) -> None:
    facts = read_certificate(asking.certificate_data()["tls.crt"])

    assert facts.public == KEY.public
    assert facts.names.common_name == "weather-01"
    assert facts.names.uris == ("spiffe://plant.iot/ns/iot/device/weather-01",)
    assert ready(asking.status) == ("True", "Issued")


def test_the_secret_holds_no_key_and_so_is_of_no_special_type(asking: EncryptedWorld) -> None:
    assert set(asking.certificate_data()) == {"tls.crt", "ca.crt"}
    assert asking.certificate_secret()["type"] == "Opaque"


def test_a_renewal_is_for_the_same_key_and_reads_nothing(asking: EncryptedWorld) -> None:
    asking.now += 75 * 86_400
    asking.watch()
    plan = asking.plan()
    asking.settle()

    assert plan.read_certificate is None
    first, second = asking.shown
    assert first.facts.public == second.facts.public == KEY.public
    assert asking.accepts(first)


def test_a_second_look_reads_no_request_and_writes_nothing(asking: EncryptedWorld) -> None:
    before = (asking.secrets.version, asking.status_writes)

    asking.restart()
    asking.settle()

    assert (asking.secrets.version, asking.status_writes) == before


def test_another_request_ends_the_certificate_of_the_former_key(asking: EncryptedWorld) -> None:
    other = generate(KeyType())

    asking.change(certificate={"csr": request(other)})
    asking.settle()

    first, second = asking.shown
    assert second.facts.public == other.public
    assert (asking.accepts(first), asking.accepts(second)) == (False, True)


def test_a_device_may_hand_in_a_request_later_and_its_secret_changes_its_type(plant: EncryptedWorld) -> None:
    plant.settle()

    plant.change(certificate={"csr": request()})
    plant.settle()

    assert plant.certificate_secret()["type"] == "Opaque"
    assert set(plant.certificate_data()) == {"tls.crt", "ca.crt"}
    first, second = plant.shown
    assert (plant.accepts(first), plant.accepts(second)) == (False, True)


def test_and_it_may_leave_its_key_to_us_again(asking: EncryptedWorld) -> None:
    asking.change(certificate=None)
    asking.settle()

    assert asking.certificate_secret()["type"] == "kubernetes.io/tls"
    assert set(asking.certificate_data()) == {"tls.crt", "tls.key", "ca.crt"}
    assert not asking.accepts(asking.shown[0])


def test_a_crash_between_the_secret_of_one_type_and_that_of_the_other_loses_no_revocation(
    plant: EncryptedWorld,
) -> None:
    plant.settle()
    plant.change(certificate={"csr": request()})
    plant.secrets.objects.pop(TLS)
    plant.restart()

    plant.settle()

    assert not plant.accepts(plant.shown[0])


NO_REQUEST = "-----BEGIN CERTIFICATE REQUEST-----\nnone\n-----END CERTIFICATE REQUEST-----"
SOMEBODY_ELSES = request(uris=("spiffe://plant.iot/ns/iot/device/pump-07",))


@pytest.mark.parametrize(
    ("text", "words"),
    [(NO_REQUEST, "no certificate"), (SOMEBODY_ELSES, "not its own")],
    ids=["no request", "somebody else's name"],
)
def test_a_request_that_is_refused_leaves_credentials_alone_and_says_what_to_write(
    plant: EncryptedWorld, text: str, words: str
) -> None:
    plant.change(certificate={"csr": text})

    plant.settle()

    assert plant.secrets.objects.keys() == {CREDS}
    assert ready(plant.status) == ("False", "CertificateRequestRefused")
    assert condition(plant.status, "Stalled") == ("True", "CertificateRequestRefused")
    (message,) = {c["message"] for c in plant.status["conditions"] if c["type"] == "Stalled"}
    assert message.startswith("spec.certificate.csr: ")
    assert words in message


def test_a_bad_request_takes_nothing_from_who_has_a_certificate(asking: EncryptedWorld) -> None:
    asking.change(certificate={"csr": NO_REQUEST})

    asking.settle()

    assert asking.accepts(asking.shown[-1])
    assert ready(asking.status) == ("False", "CertificateRequestRefused")
    assert asking.status["certificate"]["serial"] == f"{asking.shown[-1].facts.serial:x}"


def test_names_that_no_certificate_can_say_are_refused_with_what_to_write(plant: EncryptedWorld) -> None:
    plant.change(certificate={"ipAddresses": ["10.0.0.700"]})

    plant.settle()

    assert condition(plant.status, "Stalled") == ("True", "CertificateRequestRefused")
    assert "10.0.0.700" in next(c["message"] for c in plant.status["conditions"] if c["type"] == "Stalled")
