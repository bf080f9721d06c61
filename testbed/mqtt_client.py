"""What an MQTT device does: log in with user name and password, publish, subscribe, be refused, be cut off.

The wire is MQTT 3.1.1, all that nats-server speaks. No thread is started: the event loop of the test serves the socket.
"""

import asyncio
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from testbed.clients import Connected
from testbed.waiting import wait_until_async

_SECONDS = 30
_REFUSALS = {"Bad user name or password", "Not authorized"}
"""CONNACK 4 and 5 (MQTT 3.1.1, section 3.2.2.3), in the words of the library."""


class LoginRefusedError(ConnectionError):
    """The server answered a login by saying that it does not let this user in."""


@dataclass(slots=True)
class MqttConnected:
    """A live MQTT connection, and what became of it."""

    client: Client
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float = 0.0
    """`time.monotonic()` of the moment it ended."""
    received: asyncio.Queue[MQTTMessage] = field(default_factory=asyncio.Queue)
    _login: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _answers: dict[int, asyncio.Future[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        loop, client = asyncio.get_running_loop(), self.client

        def stop_reading(_client: Client, _data: Any, socket: Any) -> None:
            loop.remove_reader(socket)

        def stop_writing(_client: Client, _data: Any, socket: Any) -> None:
            loop.remove_writer(socket)

        client.on_socket_open = lambda _client, _data, socket: loop.add_reader(socket, self._read, socket)
        client.on_socket_close = stop_reading
        client.on_socket_register_write = lambda _client, _data, socket: loop.add_writer(socket, client.loop_write)
        client.on_socket_unregister_write = stop_writing
        client.on_message = lambda _client, _data, message: self.received.put_nowait(message)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe

    async def log_in(self, host: str, port: int) -> None:
        """Connect, and wait for the server's answer; raises `LoginRefusedError` or, where it has none, `OSError`."""
        # No keep-alive: a test may block its event loop for longer, and no server may take that for a lost device.
        self.client.connect(host, port, keepalive=0)
        async with asyncio.timeout(_SECONDS):
            answer = await self._login
        if answer in _REFUSALS:
            raise LoginRefusedError(answer)
        if answer != "Success":
            raise ConnectionError(f"the server does not serve this client: {answer}")

    async def publish(self, topic: str, payload: bytes = b"x") -> None:
        """Publish with QoS 1, and return when the server has acknowledged it, as it does with what it refuses too."""
        self._check_open()
        await self._answer(self.client.publish(topic, payload, qos=1).mid)

    async def may_publish(self, topic: str, *, witness: Connected) -> bool:
        """Publish, and tell whether it arrives at `witness`, a NATS client of the account that may hear the topic.

        Only an arrival tells: to a publisher MQTT 3.1.1 has no word for a refusal (section 3.3.5). The server hands a
        message to its listeners before it acknowledges it (nats-server ``mqtt.go``, ``mqttProcessPub``), so what is not
        there by then never comes.
        """
        subject = topic.replace("/", ".")
        arrivals = await witness.client.subscribe(subject)
        # Twice, as `Connected` does: then the server has seen the subscription.
        await witness.client.flush(_SECONDS)
        await witness.client.flush(_SECONDS)
        if any(f'subscription to "{subject}"'.lower() in error.lower() for error in witness.errors):
            raise RuntimeError(f"this witness may not subscribe to {subject} either: take one that may")
        payload = uuid.uuid4().bytes
        await self.publish(topic, payload)
        await witness.client.flush(_SECONDS)
        heard = [(await arrivals.next_msg()).data for _ in range(arrivals.pending_msgs)]
        await arrivals.unsubscribe()
        return payload in heard

    async def may_subscribe(self, topic: str) -> bool:
        """Subscribe with QoS 1, and tell whether the server took it."""
        self._check_open()
        _, packet = self.client.subscribe(topic, qos=1)
        return await self._answer(packet)

    async def next_message(self, within: float = _SECONDS) -> tuple[str, bytes]:
        """Wait for the next message of its subscriptions; return topic and payload."""
        async with asyncio.timeout(within):
            message = await self.received.get()
        return message.topic, bytes(message.payload)

    async def wait_closed(self, within: float = 10) -> float:
        """Wait until the connection ends; return the moment (`time.monotonic()`)."""
        async with asyncio.timeout(within):
            await self.closed.wait()
        return self.closed_at

    def _check_open(self) -> None:
        if self.closed.is_set():
            raise ConnectionError("the server has ended this connection")

    async def _answer(self, packet: int | None) -> bool:
        """Wait for the acknowledgement of a packet, and tell whether it refuses nothing."""
        if packet is None:
            raise ConnectionError("nothing could be sent: the connection is not open")
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answers[packet] = answer
        async with asyncio.timeout(_SECONDS):
            return await answer

    def _read(self, socket: Any) -> None:
        self.client.loop_read()
        # What TLS has decrypted already wakes nobody who waits for the socket.
        while not self.closed.is_set() and isinstance(socket, ssl.SSLSocket) and socket.pending():
            self.client.loop_read()

    # The library calls these from within the event loop, whenever the socket had something to read or was closed.

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        self._login.set_result(str(code))

    def _on_publish(self, _client: Client, _data: Any, packet: int, _code: ReasonCode, _properties: Any) -> None:
        self._answers.pop(packet).set_result(True)

    def _on_subscribe(
        self, _client: Client, _data: Any, packet: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        self._answers.pop(packet).set_result(not any(code.is_failure for code in codes))

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, _code: ReasonCode, _properties: Any) -> None:
        self.closed_at = time.monotonic()
        self.closed.set()
        futures: list[asyncio.Future[Any]] = [self._login, *self._answers.values()]
        for future in futures:
            if not future.done():
                future.set_exception(ConnectionError("the server ended the connection instead of an answer"))


@asynccontextmanager
async def connect_mqtt(
    url: str,
    username: str,
    password: str,
    *,
    client_id: str = "",
    keep: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[MqttConnected]:
    """Log in at a `NatsServer.mqtt_url` or `mqtt_websocket_url`, with a client id that the server makes by default.

    With `keep` the session of that client id goes on where it was, and goes on after it.
    With `tls` the url is a `mqtts_url` or `mqtt_wss_url`, of a server that the context verifies.

    Raises `LoginRefusedError` where the server refuses, and `OSError` where it does not answer or gives no reason.
    """
    place = urlsplit(url)
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=not keep,
        transport="websockets" if place.scheme in ("ws", "wss") else "tcp",
        reconnect_on_failure=False,
    )
    client.ws_set_options(path=place.path)
    client.username_pw_set(username, password)
    if tls is not None:
        client.tls_set_context(tls)
    connected = MqttConnected(client)
    try:
        await connected.log_in(place.hostname or "", place.port or 0)
        yield connected
    finally:
        if client.socket() is not None:
            client.disconnect()
            await connected.wait_closed()


async def is_refused_mqtt(url: str, username: str, password: str) -> bool:
    """Try to log in, and tell whether the server says no (and not merely fails to answer)."""
    try:
        async with connect_mqtt(url, username, password):
            return False
    except LoginRefusedError:
        return True


async def is_accepted_mqtt(url: str, username: str, password: str, *, tls: ssl.SSLContext | None = None) -> bool:
    """Try to log in, and tell whether the server lets this user in; one that is not there does not."""
    try:
        async with connect_mqtt(url, username, password, tls=tls):
            return True
    except OSError:
        return False


async def wait_accepted_mqtt(url: str, username: str, password: str, *, tls: ssl.SSLContext | None = None) -> None:
    """Wait until the server lets this user in, trying again as devices do.

    The first login into an account of a cluster makes streams of several replicas. Where their leaders are not elected
    within five seconds, or a server has not heard of the account's storage yet, the login is broken off (nats-server
    ``mqtt.go``, ``mqttCreateAccountSessionManager``).
    """
    await wait_until_async(partial(is_accepted_mqtt, url, username, password, tls=tls), within=60)
