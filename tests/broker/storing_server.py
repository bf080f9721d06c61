"""Servers that have JetStream's key in their environment, as pods have it from the Secret, and what they store."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from broker.one_account import Trust, new_key
from nats.errors import TimeoutError as NoAnswerError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig
from nats.js.errors import ServiceUnavailableError

from iotsec.decide.encryption_at_rest import METADATA_CONF, EncryptionState, jetstream_conf
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, AccountLimits, JetStreamLimits
from iotsec.nats.keys import KeyType, SigningKey
from testbed.clients import connect_as
from testbed.nats_server import NatsServer
from testbed.waiting import wait_until_async

PLAIN = b"temperature-in-the-vault=21"
ACKED = 3


@dataclass(frozen=True)
class StoringTrust(Trust):
    """Its account may store."""

    def account_jwt(self, account: SigningKey, signer: SigningKey) -> str:
        room = JetStreamLimits(disk_storage=-1, memory_storage=-1)
        limits = AccountLimits(jetstream=room if account == self.account else None)
        claims = AccountClaims(signing_keys=(signer.public,), limits=limits)
        return jwt.encode(claims, self.operator_signing, subject=account.public, issued_at=self.issued_at)

    def member(self) -> str:
        """Creds of somebody who may do anything in the account."""
        return self.device(new_key(KeyType.USER))

    def encrypting(self, state: EncryptionState | None) -> dict[str, bytes]:
        """What a server mounts that encrypts, or does not."""
        conf = self.config()["server.conf"]
        others = b'server_metadata: { zone: a }\nServer_Metadata: { iotsec_config: "0123" }\n'
        key = METADATA_CONF.encode() if state is not None else b""
        return {"server.conf": conf + others + key, "jetstream.conf": jetstream_conf(state)}


def start(server: NatsServer, state: EncryptionState | None, *, peers: int | None = None) -> None:
    """Start a server with the key in its environment."""
    with environment(state.to_data() if state is not None else {}):
        server.start()
    if peers is not None:
        server.wait_ready(peers=peers)


@contextmanager
def environment(secret: Mapping[str, bytes]) -> Iterator[None]:
    """The environment that the chart's values give to a server from this Secret."""
    names = ("key", "previous-key", "cipher", "key-id")
    variables = {f"IOTSEC_JETSTREAM_{n.upper().replace('-', '_')}": secret[n].decode() for n in names if n in secret}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def empty_volume(server: NatsServer) -> None:
    """Lose what JetStream stored on this server."""
    shutil.rmtree(server.directory / "jetstream")


def files_with(server: NatsServer, text: bytes) -> list[str]:
    """The files on a server's volume in which this can be read."""
    files = (file for file in (server.directory / "jetstream").rglob("*") if file.is_file())
    return [file.name for file in files if text in file.read_bytes()]


async def store(server: NatsServer, creds: str, count: int, *, replicas: int = 1) -> None:
    """Store messages in a stream, and take the first of them with a durable consumer."""
    async with connect_as(server.url, creds) as device:
        stream = device.client.jetstream()
        await wait_until_async(lambda: is_on(stream), within=30)
        await stream.add_stream(StreamConfig(name="vault", subjects=["vault.>"], num_replicas=replicas))
        await stream.add_consumer("vault", ConsumerConfig(durable_name="archive", ack_policy=AckPolicy.EXPLICIT))
        for number in range(count):
            await stream.publish(f"vault.{number}", PLAIN)
        for message in await (await archive(stream)).fetch(ACKED):
            await message.ack_sync()


async def is_on(stream: JetStreamContext) -> bool:
    """Whether the account may store here by now: servers that just started say no for a moment, or nothing."""
    try:
        await stream.account_info()
    except (ServiceUnavailableError, NoAnswerError):
        return False
    return True


async def archive(stream: JetStreamContext) -> JetStreamContext.PullSubscription:
    """The durable consumer."""
    return await stream.pull_subscribe_bind("archive", "vault")


async def readable(server: NatsServer, creds: str) -> int:
    """How many messages can be read."""
    async with connect_as(server.url, creds) as device:
        stream = device.client.jetstream()
        state = (await stream.stream_info("vault")).state
        messages = [await stream.get_msg("vault", seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return sum(message.data == PLAIN for message in messages)


async def acknowledged(server: NatsServer, creds: str) -> int:
    """How far the durable consumer has come; raises `NotFoundError` where it is lost."""
    async with connect_as(server.url, creds) as device:
        floor = (await device.client.jetstream().consumer_info("vault", "archive")).ack_floor
    return floor.stream_seq if floor is not None else 0
