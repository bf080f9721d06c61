"""OCSP, with OpenSSL for the client: what it asks is understood, and it believes the answer or does not."""

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as made_by
from hypothesis import given
from hypothesis import strategies as st
from x509.judges import openssl
from x509.pki import KEY_TYPES, below, leaf, long_root, root

from iotsec.x509 import ocsp
from iotsec.x509.authority import Authority
from iotsec.x509.keys import KeyType

NOW = int(time.time())
ROOT, OTHER = root(now=NOW), root(now=NOW, name="other CA")
CERTIFICATE = leaf(ROOT, now=NOW, number=0x4711)


def asked(directory: Path, authority: Authority, certificate: bytes, *options: str) -> bytes:
    """What OpenSSL sends to ask about a certificate."""
    issuer, subject, request = directory / "issuer.crt", directory / "subject.crt", directory / "request"
    issuer.write_bytes(authority.certificate)
    subject.write_bytes(certificate)
    openssl("ocsp", *options, "-issuer", issuer, "-cert", subject, "-reqout", request)
    return request.read_bytes()


def believed(directory: Path, authority: Authority, certificate: bytes, answer: bytes) -> str:
    """What OpenSSL makes of an answer to what it asked: first what it says, then whether that is verified."""
    issuer, subject, response = directory / "issuer.crt", directory / "subject.crt", directory / "response"
    trusted, above = directory / "trusted.crt", directory / "above.crt"
    issuer.write_bytes(authority.certificate)
    subject.write_bytes(certificate)
    response.write_bytes(answer)
    trusted.write_bytes(authority.root)
    above.write_bytes(authority.chain or authority.root)
    told = openssl(
        *("ocsp", "-no_nonce", "-issuer", issuer, "-cert", subject, "-respin", response),
        *("-CAfile", trusted, "-verify_other", above),
    )
    return f"{told.stdout.decode()}{told.stderr.decode()}".replace(str(subject), "certificate")


def answered(authority: Authority, request: bytes, revoked_at: int | None = None) -> bytes:
    """An answer of this moment: OpenSSL judges its age by the clock, and `NOW` may be long ago."""
    asks, now = ocsp.read(request), int(time.time())
    return ocsp.answer(authority, asks, revoked_at=revoked_at, this_update=now - 300, next_update=now + 60)


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
@pytest.mark.parametrize("intermediate", [False, True])
def test_openssl_believes_what_the_authority_says(key_type: KeyType, intermediate: bool, tmp_path: Path) -> None:  # noqa: FBT001
    authority = below(long_root(), key_type) if intermediate else root(key_type, now=NOW)
    certificate = leaf(authority, now=NOW)
    request = asked(tmp_path, authority, certificate)

    good = believed(tmp_path, authority, certificate, answered(authority, request))
    revoked = believed(tmp_path, authority, certificate, answered(authority, request, NOW - 5))

    assert good.startswith("certificate: good")
    assert "Response verify OK" in good
    assert revoked.startswith("certificate: revoked")
    assert "Revocation Time:" in revoked
    assert "Response verify OK" in revoked


@pytest.mark.parametrize("digest", ["-sha1", "-sha256", "-sha384", "-sha512"])
def test_an_authority_is_found_by_whatever_digests_it_is_asked_for(digest: str, tmp_path: Path) -> None:
    request = ocsp.read(asked(tmp_path, ROOT, CERTIFICATE, digest))

    assert request.serial == 0x4711
    assert ocsp.issuers([OTHER, ROOT])[request.issuer] is ROOT
    assert request.issuer not in ocsp.issuers([OTHER])


def test_a_good_answer_signed_by_another_is_not_believed(tmp_path: Path) -> None:
    forged = answered(OTHER, asked(tmp_path, ROOT, CERTIFICATE))

    assert "Response Verify Failure" in believed(tmp_path, ROOT, CERTIFICATE, forged)


def test_a_good_answer_about_another_certificate_is_none_about_this(tmp_path: Path) -> None:
    about_another = answered(ROOT, asked(tmp_path, ROOT, leaf(ROOT, now=NOW)))

    assert "ERROR: No Status found" in believed(tmp_path, ROOT, CERTIFICATE, about_another)


def test_an_answer_ends(tmp_path: Path) -> None:
    request = ocsp.read(asked(tmp_path, ROOT, CERTIFICATE))

    old = ocsp.answer(ROOT, request, revoked_at=None, this_update=NOW - 9000, next_update=NOW - 8000)

    assert "WARNING: Status times invalid" in believed(tmp_path, ROOT, CERTIFICATE, old)


@given(st.binary(min_size=1, max_size=128))
def test_the_nonce_comes_back(nonce: bytes) -> None:
    request = ocsp.read(request_with(x509.OCSPNonce(nonce)))

    answer = made_by.load_der_ocsp_response(
        ocsp.answer(ROOT, request, revoked_at=None, this_update=NOW, next_update=NOW + 60)
    )

    assert request.nonce == nonce
    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce


def request_with(extension: x509.ExtensionType, *, critical: bool = False) -> bytes:
    certificate = x509.load_pem_x509_certificate(CERTIFICATE)
    builder = made_by.OCSPRequestBuilder().add_certificate(certificate, ROOT.own, hashes.SHA1())  # noqa: S303
    return builder.add_extension(extension, critical).build().public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda _: b"",
        lambda _: b"rubbish",
        lambda directory: asked(directory, ROOT, CERTIFICATE)[:-3],
        lambda directory: asked(directory, ROOT, CERTIFICATE, "-issuer", str(directory / "issuer.crt"), "-serial", "1"),
        lambda _: request_with(x509.OCSPNonce(b"")),
        lambda _: request_with(x509.OCSPNonce(b"x" * 129)),
        lambda _: request_with(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), critical=True),
    ],
    ids=["nothing", "rubbish", "cut short", "two certificates", "empty nonce", "long nonce", "critical extension"],
)
def test_what_cannot_be_answered_is_malformed(request_of: object, tmp_path: Path) -> None:
    asked(tmp_path, ROOT, CERTIFICATE)
    with pytest.raises(ocsp.MalformedRequestError):
        ocsp.read(request_of(tmp_path))  # type: ignore[operator]


@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_never_an_error_of_another_kind(rubbish: bytes) -> None:
    with pytest.raises(ocsp.MalformedRequestError):
        ocsp.read(rubbish)


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (ocsp.Refusal.MALFORMED, "malformedrequest (1)"),
        (ocsp.Refusal.TRY_LATER, "trylater (3)"),
        (ocsp.Refusal.UNAUTHORIZED, "unauthorized (6)"),
    ],
)
def test_openssl_understands_why_it_gets_no_answer(refusal: ocsp.Refusal, said: str, tmp_path: Path) -> None:
    assert f"Responder Error: {said}" in believed(tmp_path, ROOT, CERTIFICATE, refusal.der)
