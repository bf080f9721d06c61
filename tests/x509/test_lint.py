"""zlint, by the lints of the RFCs: those of the CA/Browser Forum are for the web, where a device has no DNS name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from x509.judges import lint
from x509.pki import DAY, KEY_TYPES, NATS, NOW, P256, WEATHER, below, leaf, long_root, made, pem, root, serial

from iotsec.x509.certificate import issue
from iotsec.x509.keys import generate
from iotsec.x509.names import Names, Usage

URLS = {
    "ocsp_url": "http://revocation.iot.svc/ocsp/fleet/site",
    "crl_url": "http://revocation.iot.svc/crl/fleet/site/1.crl",
    "ca_url": "http://revocation.iot.svc/ca/fleet/site/1.crt",
}
NAMELESS = Names("", uris=WEATHER.uris)


def der(text: bytes) -> bytes:
    return x509.load_pem_x509_certificates(text)[0].public_bytes(Encoding.DER)


def of_every_kind() -> Iterator[bytes]:
    for of_authority in KEY_TYPES:
        authority = root(of_authority)
        yield authority.certificate
        for of_leaf in KEY_TYPES:
            for usage, names in ((Usage.CLIENT, WEATHER), (Usage.SERVER, NATS), (Usage.PEER, NATS)):
                yield leaf(authority, generate(of_leaf), usage=usage, names=names)
    yield leaf(below(long_root()))
    public = generate(P256).public
    yield issue(root(), NAMELESS, Usage.CLIENT, public, serial=serial(), issued_at=NOW, expires_at=NOW + DAY, **URLS)


@pytest.fixture(scope="module")
def certificates() -> list[bytes]:
    return list(of_every_kind())


def test_it_finds_no_error_and_no_warning_in_any_certificate_of_ours(certificates: list[bytes], zlint: Path) -> None:
    found = lint(zlint, [("certificate", der(text)) for text in certificates])

    assert len(found) == len(certificates) == 4 * (1 + 4 * 3) + 2
    assert [finding for findings in found for finding in findings] == []


def test_it_finds_what_is_wrong(zlint: Path) -> None:
    """The judge is awake: it is shown a CA whose basic constraints one could pass over."""
    careless = made("CA", generate(P256).signer, extensions=((x509.BasicConstraints(ca=True, path_length=0), False),))

    (found,) = lint(zlint, [("certificate", der(pem(careless)))])

    assert "e_basic_constraints_not_critical" in {finding["lint"] for finding in found}
