"""Whatever stands in a Secret or a request is taken or refused with a reason: no damage is an error of another kind."""

import base64
import contextlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPRequestBuilder
from hypothesis import given, settings
from hypothesis import strategies as st
from x509.pki import NOW, P256, WEATHER, below, leaf, long_root

from iotsec.x509 import ocsp
from iotsec.x509.authority import Authority, UnusableAuthorityError, read_authority
from iotsec.x509.bundle import bundle
from iotsec.x509.certificate import InvalidCertificateError, matches, read_certificate
from iotsec.x509.keys import InvalidPrivateKeyError, PrivateKey, UnusableKeyError, generate, read_public
from iotsec.x509.names import Usage
from iotsec.x509.requests import RequestRefusedError, make_request, read_request

PLANT = below(long_root())
KEY = PLANT.key.to_pem()
KEY_DER = base64.b64decode(b"".join(KEY.splitlines()[1:-1]))
CERTIFICATE = x509.load_pem_x509_certificate(PLANT.certificate).public_bytes(Encoding.DER)
LEAF = x509.load_pem_x509_certificate(leaf(PLANT)[: len(leaf(PLANT)) - len(PLANT.chain)]).public_bytes(Encoding.DER)
REQUEST = x509.load_pem_x509_csr(make_request(generate(P256), WEATHER, Usage.CLIENT)).public_bytes(Encoding.DER)

ASKED = (
    OCSPRequestBuilder()
    .add_certificate(x509.load_der_x509_certificate(LEAF), PLANT.own, hashes.SHA256())
    .add_extension(x509.OCSPNonce(b"nonce"), critical=False)
    .build()
    .public_bytes(Encoding.DER)
)

many = settings(max_examples=400)


def damaged(der: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with one to three of them changed."""

    def change(changes: list[tuple[int, int]]) -> bytes:
        changed = bytearray(der)
        for position, value in changes:
            changed[position] = value
        return bytes(changed)

    return st.lists(st.tuples(st.integers(0, len(der) - 1), st.integers(0, 255)), min_size=1, max_size=3).map(change)


def pem(what: str, der: bytes) -> bytes:
    return f"-----BEGIN {what}-----\n{base64.encodebytes(der).decode()}-----END {what}-----\n".encode()


@many
@given(damaged(CERTIFICATE))
def test_a_damaged_authority(der: bytes) -> None:
    with contextlib.suppress(UnusableAuthorityError):
        read_authority(pem("CERTIFICATE", der), KEY, root=PLANT.root, now=NOW)


@many
@given(damaged(x509.load_pem_x509_certificate(PLANT.root).public_bytes(Encoding.DER)))
def test_a_damaged_root_is_no_root_of_the_chain(der: bytes) -> None:
    damaged_root = pem("CERTIFICATE", der)
    if x509.load_pem_x509_certificate(PLANT.root).public_bytes(Encoding.DER) != der:
        with pytest.raises(UnusableAuthorityError):
            read_authority(PLANT.certificate, KEY, root=damaged_root, now=NOW)


def test_a_root_whose_signature_is_not_of_whole_octets_is_refused() -> None:
    plant = next(one for one in (below(long_root()) for _ in range(100)) if root_of(one).signature[-1] % 2 == 0)
    root = bytearray(root_of(plant).public_bytes(Encoding.DER))
    root[-len(root_of(plant).signature) - 1] = 1  # so many bits of the last octet do not count

    with pytest.raises(UnusableAuthorityError, match="whole octets"):
        read_authority(plant.certificate, plant.key.to_pem(), root=pem("CERTIFICATE", bytes(root)), now=NOW)


def root_of(authority: Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.root)


@many
@given(damaged(KEY_DER))
def test_a_damaged_key(der: bytes) -> None:
    text = pem("PRIVATE KEY", der)
    with contextlib.suppress(InvalidPrivateKeyError):
        PrivateKey.from_pem(text)
    with contextlib.suppress(UnusableAuthorityError):
        read_authority(PLANT.certificate, text, root=PLANT.root, now=NOW)


@many
@given(damaged(LEAF))
def test_a_damaged_certificate(der: bytes) -> None:
    text = pem("CERTIFICATE", der)
    matches(text, KEY)
    for read in (read_certificate, bundle):
        with contextlib.suppress(InvalidCertificateError):
            read(text)


@many
@given(damaged(REQUEST))
def test_a_damaged_request_is_not_answered(der: bytes) -> None:
    if der != REQUEST:
        with pytest.raises(RequestRefusedError):
            read_request(pem("CERTIFICATE REQUEST", der), WEATHER)


@given(st.binary(max_size=200))
def test_what_is_no_public_key(der: bytes) -> None:
    with pytest.raises(UnusableKeyError):
        read_public(der)


@many
@given(damaged(ASKED))
def test_a_damaged_question(der: bytes) -> None:
    with contextlib.suppress(ocsp.MalformedRequestError):
        ocsp.read(der)
