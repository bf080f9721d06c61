"""What the form of a name lets pass, a certificate can say."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from iotsec.api.listeners import DnsName
from iotsec.x509.names import InvalidNamesError, Names, checked

DNS_NAME: TypeAdapter[str] = TypeAdapter(DnsName)
NEAR_NAMES = st.text(f"{string.ascii_letters}{string.digits}-_.*\n", max_size=260)


def can_be_written(name: str) -> bool:
    try:
        DNS_NAME.validate_python(name)
    except ValidationError:
        return False
    return True


def can_be_certified(name: str) -> bool:
    try:
        checked(Names("", dns_names=(name,)))
    except InvalidNamesError:
        return False
    return True


@given(NEAR_NAMES)
@example("l" * 63 + ".a")
@example("l" * 64)
@example(".".join(["l" * 63] * 4))
@example("*.a")
@example("a_b")
def test_a_dns_name_can_be_written_where_it_can_be_certified(name: str) -> None:
    assert can_be_written(name) == can_be_certified(name)


@pytest.mark.parametrize("name", ["nats", "nats.example.com", "*.example.com", "xn--kche-0ra.example", "10.a"])
def test_names_of_hosts_can_be_written(name: str) -> None:
    assert can_be_written(name)
