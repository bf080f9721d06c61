"""The connection to a Hub's servers as a system-account user.

Its credentials are minted for each connection and live in memory alone; before they run out a new connection takes
over. Servers may be away for any time: the connection is then tried again, for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import nats
import nats.errors
import structlog
from nats.aio.client import Client as Connection
from nats.aio.client import RawCredentials
from nats.aio.msg import Msg

log = structlog.get_logger()

CREDENTIALS_SECONDS = 3600
_RENEW_SECONDS = CREDENTIALS_SECONDS // 2
_CONNECT_SECONDS = 3
_STABLE_SECONDS = 5.0
_RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
_PENDING_BYTES = 64 * 2**20


class UnavailableError(Exception):
    """No server can be asked right now; the message says why, in words for a condition."""


class SystemConnection:
    """One Hub's connection, kept up in the background by :meth:`run`."""

    def __init__(
        self,
        *,
        hub: str,
        servers: Callable[[], tuple[str, ...]],
        mint: Callable[[], bytes],
        changed: Callable[[], None],
        heard: Callable[[Msg], None],
    ) -> None:
        """Prepare; ``mint`` gives a fresh creds file, ``heard`` is called with each server's heartbeat."""
        self._hub = hub
        self._servers = servers
        self._mint = mint
        self._changed = changed
        self._heard = heard
        self._connection: Connection | None = None
        self._closed = asyncio.Event()
        self._last_error: Exception | None = None
        self.problem = "not connected to NATS yet"
        """Why there is no connection; empty while there is one."""
        self.tried = False
        """A first attempt came to an end, well or not."""
        self.refused = False
        """The servers are there and do not accept our credentials."""

    async def run(self) -> None:
        """Connect, keep connected, take over before the credentials end; runs until cancelled."""
        attempt = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    await self._take_over(attempt)
                except (OSError, TimeoutError, nats.errors.Error, ValueError) as error:
                    self._fail(error, attempt)
                else:
                    connected_at = loop.time()
                    if not await self._ends_within(_RENEW_SECONDS):
                        attempt = 0
                        continue  # still up: the next round takes over with fresh credentials
                    self._fail(self._last_error or ConnectionError("the connection was lost"), attempt)
                    if loop.time() - connected_at > _STABLE_SECONDS:
                        attempt = 0
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1
        finally:
            await _close(self._connection)

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return False
        return True

    async def _take_over(self, attempt: int) -> None:
        servers = self._servers()
        self._last_error = None
        closed = asyncio.Event()

        async def on_closed() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            self._last_error = error  # it ends the connection, and is told once, by the loop

        connection = await nats.connect(
            servers=[servers[attempt % len(servers)]],
            name=f"iot-security-operator {self._hub}",
            user_credentials=RawCredentials(self._mint().decode()),
            allow_reconnect=False,
            connect_timeout=_CONNECT_SECONDS,
            pending_size=_PENDING_BYTES,
            ping_interval=10,
            max_outstanding_pings=2,
            closed_cb=on_closed,
            error_cb=on_error,
        )

        async def on_heartbeat(message: Msg) -> None:
            self._heard(message)

        await connection.subscribe("$SYS.SERVER.*.STATSZ", cb=on_heartbeat)
        previous, self._connection, self._closed = self._connection, connection, closed
        was_down = bool(self.problem)
        self.problem, self.refused, self.tried = "", False, True
        await _close(previous)
        if was_down:
            log.info("connected", hub=self._hub, action="connect")
            self._changed()

    def _fail(self, error: Exception, attempt: int) -> None:
        self._connection = None
        text = str(error).removeprefix("nats: ").strip("'") or type(error).__name__
        self.refused = "uthorization" in text
        known = self.problem
        if self.refused:
            self.problem = "the NATS servers do not accept this Hub's operator: mount its config Secret and restart them"
        else:
            self.problem = f"no NATS server answers at {', '.join(self._servers())}"
        first, self.tried = not self.tried, True
        if first or self.problem != known:
            log.warning("not connected", hub=self._hub, action="connect", error=text, attempt=attempt)
            self._changed()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Connection]:
        connection = self._connection
        if connection is None:
            raise UnavailableError(self.problem)
        try:
            yield connection
        except nats.errors.Error as error:
            raise UnavailableError(f"the NATS connection failed: {type(error).__name__}") from None

    async def gather(self, subject: str, payload: bytes, *, expect: int, seconds: float) -> list[bytes]:
        """Ask every server and collect the answers until ``expect`` came or the time is over.

        Raises:
            UnavailableError: there is no connection.

        """
        async with self._session() as connection:
            inbox = connection.new_inbox()
            answers: list[bytes] = []
            subscription = await connection.subscribe(inbox)
            try:
                # Requests carry no headers: older servers choke on them here.
                await connection.publish(subject, payload, reply=inbox)
                async with asyncio.timeout(seconds):
                    while len(answers) < expect:
                        answers.append((await subscription.next_msg(timeout=seconds)).data)
            except TimeoutError:
                pass
            finally:
                if not connection.is_closed:
                    await subscription.unsubscribe()
            return answers


async def _close(connection: Connection | None) -> None:
    if connection is not None and not connection.is_closed:
        await connection.close()
