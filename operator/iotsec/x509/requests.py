"""Certificate signing requests: of devices that keep their keys to themselves, and of ours to other issuers."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from iotsec.x509.certificate import leaf_key_usage
from iotsec.x509.keys import PrivateKey, UnusableKeyError, key_type, public_bytes, read_public, signature_hash
from iotsec.x509.names import Names, Usage, checked
from iotsec.x509.pem import UNREADABLE

REQUEST_BYTES: Final = 16 * 1024
"""Bytes of a request at most; one of an RSA key of 8192 bits has 3 KiB."""

_BEGIN: Final = b"-----BEGIN "
_PURPOSES: Final = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}


class RequestRefusedError(ValueError):
    """A request is not answered with a certificate; the message says why and what to write instead."""


def read_request(pem: bytes, names: Names) -> bytes:
    """Return the public key (SubjectPublicKeyInfo, DER) of a request (PKCS#10, PEM) whose sender holds the private one.

    Of all else it says nothing is taken over. Its subject is not looked at; alternative names other than those of
    `names`, and uses other than a leaf's, are refused: who asks for them would believe to have got them.

    Raises `RequestRefusedError`.
    """
    request = _parse(pem)
    try:
        key = request.public_key()
        key_type(key)
    except UnusableKeyError as weak:
        raise RequestRefusedError(f"the key of the request is refused: {weak}") from None
    except UNREADABLE:
        raise RequestRefusedError(
            "the key of the request is of an unknown kind: use an ECDSA, RSA or Ed25519 key"
        ) from None
    if not _signed(request):
        raise RequestRefusedError(
            "the request is not signed by the key it is for, with a hash that still counts: make it with the private "
            "key of this public key, and SHA-256 or stronger"
        )
    try:
        extensions = request.extensions
    except UNREADABLE:
        raise RequestRefusedError(
            "the request has extensions that cannot be read: make it again without them"
        ) from None
    for wrong in _wrong(extensions, names):
        raise RequestRefusedError(f"the request asks for {wrong}")
    return public_bytes(key)  # type: ignore[arg-type] # `key_type` has refused all others


def make_request(key: PrivateKey, names: Names, usage: Usage) -> bytes:
    """Return a request for a certificate for the holder of `key`, PEM; raises `InvalidNamesError`."""
    alternative_names = checked(names).alternative_names
    builder = (
        x509.CertificateSigningRequestBuilder(names.subject)
        .add_extension(leaf_key_usage(read_public(key.public), usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage.purposes), critical=False)
    )
    if alternative_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative_names), critical=not names.common_name)
    return builder.sign(key.signer, signature_hash(key.key_type)).public_bytes(Encoding.PEM)


def _parse(pem: bytes) -> x509.CertificateSigningRequest:
    if len(pem) > REQUEST_BYTES:
        raise RequestRefusedError(f"a request has at most {REQUEST_BYTES} bytes, this has {len(pem)}")
    if b"PRIVATE KEY-----" in pem:
        raise RequestRefusedError(
            "there is a private key with the request: write the request alone, and replace the key, which is now known"
        )
    if pem.count(_BEGIN) > 1:
        raise RequestRefusedError("there is more than one PEM block: write one request alone")
    try:
        return x509.load_pem_x509_csr(pem)
    except UNREADABLE:
        raise RequestRefusedError(
            "this is no certificate signing request: write PKCS#10 in PEM, from BEGIN CERTIFICATE REQUEST to END"
        ) from None


def _signed(request: x509.CertificateSigningRequest) -> bool:
    """Tell whether it is signed by its own key, with a hash that still counts."""
    with suppress(*UNREADABLE):
        return not isinstance(request.signature_hash_algorithm, hashes.SHA1 | hashes.MD5) and request.is_signature_valid
    return False


def _wrong(extensions: x509.Extensions, names: Names) -> Iterator[str]:
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                yield "a CA certificate (CA:TRUE): identities sign nothing, leave basic constraints out"
            case x509.KeyUsage() as usage if usage.key_cert_sign or usage.crl_sign:
                yield "the right to sign certificates or CRLs: leave key usage out"
            case x509.ExtendedKeyUsage() as usage if not set(usage) <= _PURPOSES:
                yield "uses other than TLS: leave extended key usage out, or write clientAuth"
            case x509.SubjectAlternativeName() as found:
                foreign = [name for name in found if name not in set(names.alternative_names)]
                if foreign:
                    yield f"names that are not its own, {_said(foreign[0])} first: leave alternative names out"
            case _:
                pass


def _said(name: x509.GeneralName) -> str:
    return repr(str(name.value))
