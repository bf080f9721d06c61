"""Presence of one account, followed over a connection of its own as the operator does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from broker.one_account import Trust

from iotsec.broker.connection import SystemConnection, UnavailableError
from iotsec.broker.distribution import Servers
from iotsec.broker.presence import Attendance
from iotsec.decide.advisories import User
from iotsec.nats.keys import SigningKey
from testbed.nats_server import NatsServer
from testbed.waiting import until, wait_until_async


@dataclass
class Watch:
    """What is heard of one account, and read."""

    trust: Trust
    connection: SystemConnection
    servers: Servers
    attendance: Attendance
    news: list[User]

    async def follow(self) -> None:
        """Look at who is there once, as is done every few seconds."""
        await self.servers.discover()
        await self.attendance.follow(self.servers.known.keys())

    async def follow_until(self, condition: Callable[[], bool]) -> None:
        """Look until this is so and the servers can be reached."""

        async def so() -> bool:
            try:
                await self.follow()
            except UnavailableError:
                return False
            return condition()

        await wait_until_async(so, within=20)

    async def push_everywhere(self, *, servers: int) -> None:
        """Give so many servers the account's JWT, and see that all have it."""
        account = self.trust.account
        token = self.trust.account_jwt(account, self.trust.signer)

        async def all_have_it() -> bool:
            if len(self.servers.known) < servers:
                await self.servers.discover()
                return False
            return (await self.servers.push(account.public, token)).complete

        await wait_until_async(all_have_it, within=20)

    def connected(self) -> dict[str, int]:
        """How many connections each user has, by its public key."""
        counts = {user.key: len(self.attendance.of(user).connections) for user in self.attendance}
        return {key: count for key, count in counts.items() if count}

    def seen(self, key: SigningKey) -> int:
        """When a user was last seen."""
        return max(self.attendance.of(user).last_seen for user in self.attendance if user.key == key.public)


@asynccontextmanager
async def watching(trust: Trust, server: NatsServer, *, renew_seconds: float = 1800) -> AsyncIterator[Watch]:
    """A connection that is being kept up; its account is on the server, and nobody listens yet."""
    news: list[User] = []

    def heard(subject: str, body: bytes) -> None:
        watch.attendance.heard(subject, body) or watch.servers.heard(subject, body)

    connection = SystemConnection(
        hub="iot/plant",
        servers=lambda: (server.url,),
        mint=trust.mint,
        changed=lambda: None,
        heard=heard,
        renew_seconds=renew_seconds,
        retry_seconds=(0.1,),
    )
    attendance = Attendance(connection, issuers=trust.issuers, changed=news.append, clock=lambda: int(time.time()))
    watch = Watch(trust, connection, Servers(connection), attendance, news)
    task = asyncio.create_task(connection.run())
    try:
        await until(lambda: not connection.problem)
        await watch.push_everywhere(servers=1)
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
