"""The two notes there are on Secrets, with every field."""

from iotsec.decide.certificate_note import CertificateNote, IssuedCertificate
from iotsec.decide.issued import Former, Issued
from iotsec.decide.ledger import Revocation
from iotsec.nats.keys import KeyType, SigningKey

ACCOUNT = SigningKey.generate(KeyType.ACCOUNT, b"a" * 32)
PLACE = {"secret": "iot/weather-01", "owner": "uid"}

CREDENTIAL = Issued(
    account=ACCOUNT.public,
    key="UA",
    id="weather-01",
    issued_at=100,
    expires_at=200,
    valid_until=300,
    signer="AS",
    key_at=90,
    digest="d",
    layout="l",
    keys=("nats.creds", "user.jwt"),
    revision=3,
    superseded=(Revocation("A", "UB", 50, 150),),
    formers=(Former("UC", 80, 180, 120, "AS"),),
    heeded=("now",),
)

CERTIFICATE = CertificateNote(
    account=ACCOUNT.public,
    serial=2**126 + 1,
    issuer="ab" * 20,
    generation="g",
    issued_at=100,
    expires_at=200,
    key="cd" * 32,
    id="weather-01",
    dns_names=("weather.example.com",),
    ip_addresses=("10.0.0.7",),
    shape="s",
    request="r",
    layout="l",
    bundle="b",
    keys=("ca.crt", "tls.crt"),
    revision=3,
    superseded=(IssuedCertificate(7, "ab", 150),),
    formers=(IssuedCertificate(8, "ab", 160),),
    heeded=("now",),
)
