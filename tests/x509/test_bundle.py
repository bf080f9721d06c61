"""Bundles, which say whom to trust; and names that fit in a subject."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from x509.pki import below, long_root, root

from iotsec.x509.bundle import bundle, digest
from iotsec.x509.names import COMMON_NAME_LENGTH, Names, checked, short_name
from iotsec.x509.pem import InvalidCertificateError

OLD, NEW = root(), root()


def test_each_certificate_is_in_once_in_the_order_given() -> None:
    assert bundle(NEW.root, OLD.root + NEW.root, b"") == NEW.root + OLD.root
    assert bundle() == bundle(b"\n", b"") == b""


def test_what_stands_around_certificates_is_left_out_keys_above_all() -> None:
    found = bundle(b"Subject: CN=factory CA\r\n" + OLD.root.replace(b"\n", b"\r\n") + OLD.key.to_pem())

    assert found == OLD.root


def test_it_is_the_same_whatever_it_is_made_of() -> None:
    plant = below(long_root())

    assert bundle(bundle(plant.chain, plant.root)) == bundle(plant.certificate, plant.root)


def test_rubbish_in_a_bundle_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidCertificateError) as error:
        bundle(OLD.root, OLD.key.to_pem())
    assert "PRIVATE" not in str(error.value)


def test_the_digest_names_the_contents() -> None:
    assert digest(OLD.root) == digest(bundle(OLD.root)) != digest(NEW.root)
    assert digest(b"") == "e3b0c44298fc"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=300))
def test_any_text_has_a_common_name_and_long_ones_have_their_own(text: str) -> None:
    name = short_name(text)

    assert checked(Names(name)).common_name == name
    assert len(name) <= COMMON_NAME_LENGTH
    assert name == text or name != short_name(text + "x")
