"""A server, whom it trusts, and the certificate it shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from broker.certificate_authority import CertificateAuthority, Pair
from broker.one_account import Trust

from testbed.nats_server import NatsServer


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create()


@pytest.fixture(scope="module")
def pair(authority: CertificateAuthority) -> Pair:
    return authority.issue("server")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server
