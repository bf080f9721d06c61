"""Servers hear from the replica that works, and from no other."""

import asyncio

import pytest
from broker.encrypted_server import begin
from broker.one_account import Trust

from iotsec.broker.connection import SystemConnection, UnavailableError
from testbed.nats_server import NatsServer
from testbed.waiting import until


async def test_a_replica_that_leads_no_longer_asks_and_tells_the_servers_nothing(
    trust: Trust, server: NatsServer
) -> None:
    begin(server, trust.config())
    leading = True
    connection = SystemConnection(
        hub="iot/plant",
        servers=lambda: (server.url,),
        mint=trust.mint,
        changed=lambda: None,
        heard=lambda *_: None,
        leads=lambda: leading,
    )
    running = asyncio.create_task(connection.run())
    await until(lambda: not connection.problem)
    assert await connection.gather("$SYS.REQ.SERVER.PING", b"", expect=1, seconds=2)

    leading = False

    with pytest.raises(UnavailableError, match="no longer leads"):
        await connection.gather("$SYS.REQ.SERVER.PING", b"", expect=1, seconds=2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
