"""Lists of certificates that ended early: OpenSSL and zlint read them, and OpenSSL goes by them."""

import os
import re
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from x509.judges import lint, openssl, verify
from x509.pki import DAY, KEY_TYPES, NOW, below, leaf, long_root, root

from iotsec.x509.authority import Authority
from iotsec.x509.certificate import read_certificate
from iotsec.x509.keys import KeyType
from iotsec.x509.revocation import Revoked, crl

ROOT = root()
ENTRIES = st.builds(Revoked, st.integers(1, 2**127), st.integers(NOW - 99 * DAY, NOW))


def listed(authority: Authority, *revoked: Revoked, number: int = 1) -> bytes:
    return crl(authority, revoked, number=number, issued_at=NOW, next_update=NOW + DAY)


def ended(certificate: bytes) -> Revoked:
    return Revoked(read_certificate(certificate).serial, NOW - 60)


def pem(der: bytes, directory: Path) -> Path:
    file = directory / f"{os.urandom(4).hex()}.pem"
    file.write_bytes(openssl("crl", "-inform", "DER", stdin=der).stdout)
    return file


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
def test_openssl_refuses_a_certificate_on_the_list_and_no_other(key_type: KeyType, tmp_path: Path) -> None:
    authority = root(key_type)
    good, lost = leaf(authority), leaf(authority)
    assert verify(tmp_path, lost, authority.root, "sslclient") == ""

    check = ("-crl_check", "-CRLfile", pem(listed(authority, ended(lost)), tmp_path))

    assert "certificate revoked" in verify(tmp_path, lost, authority.root, "sslclient", *check)
    assert verify(tmp_path, good, authority.root, "sslclient", *check) == ""


def test_a_list_counts_for_the_authority_that_signed_it_alone(tmp_path: Path) -> None:
    certificate = leaf(ROOT)
    forged = pem(listed(root(), ended(certificate)), tmp_path)

    assert "unable to get certificate CRL" in verify(
        tmp_path, certificate, ROOT.root, "sslclient", "-crl_check", "-CRLfile", forged
    )


def test_an_intermediate_lists_its_own(tmp_path: Path) -> None:
    plant = below(long_root())
    lost = leaf(plant)

    check = ("-crl_check", "-CRLfile", pem(listed(plant, ended(lost)), tmp_path))

    assert "certificate revoked" in verify(tmp_path, lost, plant.root, "sslclient", *check)


def test_openssl_reads_number_and_times() -> None:
    der = listed(ROOT, Revoked(0xABC, NOW - 60), Revoked(0x17, NOW - 61), number=4711)

    text = openssl("crl", "-inform", "DER", "-noout", "-text", stdin=der).stdout.decode()

    assert "X509v3 CRL Number: \n                4711" in text
    assert "Last Update: Sep 21 14:13:20 2026 GMT" in text
    assert "Next Update: Sep 22 14:13:20 2026 GMT" in text
    assert re.findall(r"Serial Number: (\w+)", text) == ["17", "0ABC"]


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
def test_zlint_finds_nothing(key_type: KeyType, zlint: Path) -> None:
    authority = root(key_type)
    two = (Revoked(1, NOW - 60), Revoked(2, NOW - 60))

    assert lint(zlint, [("crl", listed(authority)), ("crl", listed(authority, *two))]) == [[], []]


@given(st.lists(ENTRIES, unique_by=lambda one: one.serial))
def test_what_is_listed_is_what_ended_in_whatever_order(revoked: list[Revoked]) -> None:
    found = x509.load_der_x509_crl(listed(ROOT, *revoked))

    assert {one.serial_number: int(one.revocation_date_utc.timestamp()) for one in found} == {
        one.serial: one.at for one in revoked
    }
    again = x509.load_der_x509_crl(listed(ROOT, *reversed(revoked)))
    assert again.tbs_certlist_bytes == found.tbs_certlist_bytes
