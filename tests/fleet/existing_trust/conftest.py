"""A server that somebody set up by hand, and who did."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fleet.nsc_hand import NscHand

from testbed.existing_trust import ExistingTrust
from testbed.nats_server import NatsServer


@pytest.fixture(scope="module")
def trust() -> ExistingTrust:
    return ExistingTrust.create()


@pytest.fixture
async def server(tmp_path: Path, trust: ExistingTrust) -> AsyncIterator[NatsServer]:
    """The server that lives by the existing trust root, and knows its account `mir`."""
    with NatsServer(tmp_path / "nats", interval="2s") as server:
        server.mount(trust.nats_config)
        server.start()
        server.wait_ready()
        await trust.push_account(server.url)
        yield server


@pytest.fixture
def hand(trust: ExistingTrust, server: NatsServer) -> NscHand:
    return NscHand(trust, server)
