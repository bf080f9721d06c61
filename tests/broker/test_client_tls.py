"""What a connection trusts and shows is taken in as it is, and never shown."""

from contextlib import nullcontext

import pytest
from broker.certificate_authority import CertificateAuthority
from broker.encrypted_server import sockets
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from iotsec.broker.client_tls import ClientTls, UnusableTlsError


@pytest.mark.parametrize("fits", [True, False])
def test_a_key_is_neither_shown_nor_left_behind(authority: CertificateAuthority, *, fits: bool) -> None:
    pair, other = authority.issue("operator"), authority.issue("other")
    tls = ClientTls(authority.pem, pair.certificate, (pair if fits else other).key)
    before = sockets()

    with nullcontext() if fits else pytest.raises(UnusableTlsError, match="cannot be used with its key"):
        tls.context()

    assert sockets() == before
    assert "BEGIN" not in repr(tls)


def test_a_key_with_a_passphrase_is_refused_and_nobody_asked_for_it(authority: CertificateAuthority) -> None:
    pair = authority.issue("operator")
    encrypted = load_pem_private_key(pair.key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )

    with pytest.raises(UnusableTlsError, match="cannot be used with its key"):
        ClientTls(authority.pem, pair.certificate, encrypted).context()


def test_a_bundle_that_is_none_is_told_as_that() -> None:
    with pytest.raises(UnusableTlsError, match="CA certificates to verify NATS servers with cannot be read"):
        ClientTls(b"none").context()
