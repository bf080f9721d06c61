"""One connection of the NATS library, from its log-in to its end, with nothing left open behind it.

The library is kept from reconnecting: the credentials of a connection are good for that connection alone.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

import nats.errors
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from iotsec.broker.client_tls import ClientTls
from iotsec.broker.wire import Wire

_CONNECT_SECONDS = 3
_IDLE_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
_PENDING_BYTES = 64 * 2**20
_PING_SECONDS = 10

TOLD_UNASKED = ("$SYS.SERVER.*.STATSZ", "$SYS.SERVER.*.SHUTDOWN")
"""What every connection hears: servers tell that they are there, or that they go."""


def heed_cancellation() -> None:
    """Raise `CancelledError` where the task was cancelled: the library swallows that now and then.

    Call it after whatever awaited the library and would be followed by a long wait.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Link:
    """A connection: what it hears, what ended it, and who is still using it."""

    def __init__(self, url: str, heard: Callable[[str, bytes], None], tls: ClientTls | None = None) -> None:
        """Prepare; raises `UnusableTlsError`."""
        self.url = url
        self.tls = tls
        """What it was asked to be encrypted with."""
        self.context = tls.context() if tls is not None else None
        self.client = Client()
        self._wire = Wire(tls, self.context)
        self.client._transport = self._wire  # noqa: SLF001 - the library takes what is there, and offers no other way
        self.error: Exception | None = None
        """The last thing that went wrong."""
        self.missed = 0
        """How often messages were dropped because they came faster than they were taken."""
        self._heard = heard
        self._listening: dict[str, Subscription] = {}
        self._ended = False
        self._stirred = asyncio.Event()
        self._users = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def on_closed(self) -> None:
        """Take note that the library closed it."""
        self._ended = True
        self.stir()

    async def on_error(self, error: Exception) -> None:
        """Remember an error: if it matters it ends the connection, and is told once, by whoever kept it up."""
        self.error = error
        self.missed += isinstance(error, nats.errors.SlowConsumerError)

    async def listen(self, subjects: Collection[str]) -> None:
        """Hear these subjects, and no others any more; from when this returns nothing is missed.

        Raises:
            OSError, nats.errors.Error: the connection is no good.

        """
        for subject in [one for one in self._listening if one not in subjects]:
            await self._listening.pop(subject).unsubscribe()
        new = [one for one in subjects if one not in self._listening]
        for subject in new:
            self._listening[subject] = await self.client.subscribe(subject, cb=self._on_told)
        for _ in range(2 if new else 0):
            # The server listens for us before another connection stops to; the library's first ping goes out before
            # what is still in its buffer.
            await self.client.flush(_CONNECT_SECONDS)

    async def _on_told(self, message: Msg) -> None:
        self._heard(message.subject, message.data)

    def end(self, error: Exception) -> None:
        """Call it ended, though it may still be open."""
        self.error = error
        self._ended = True
        self.stir()

    def stir(self) -> None:
        """Have whoever waits for its end look at once whether to go on with it."""
        self._stirred.set()

    async def ended_within(self, seconds: float) -> bool:
        """Wait for its end, or until stirred; tell whether it ended. What ended is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        self._stirred.clear()
        if self._ended:
            await self.close()
        return self._ended

    @property
    def encrypted(self) -> bool:
        """Whether it is by TLS, with a server that was verified."""
        return self._wire.encrypted

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep it from being closed when it is idle."""
        self._users += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    async def close_when_idle(self) -> None:
        """Close it once nobody uses it; nobody may begin to."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            await self.close()

    async def close(self) -> None:
        """Close it, and its socket in any case: neither a server that hangs nor a cancellation leaves it half open."""
        closing = asyncio.create_task(self._close())
        try:
            await asyncio.wait({closing}, timeout=_CLOSE_SECONDS)
        except asyncio.CancelledError:
            await asyncio.wait({closing}, timeout=_CLOSE_SECONDS)
            raise
        finally:
            closing.cancel()
            # The library leaves a socket open whose last bytes nobody takes, or whose handshake failed.
            self._wire.abort()

    async def _close(self) -> None:
        with suppress(OSError, nats.errors.Error):  # it is lost, and being given up
            await self.client.close()


async def connect(
    url: str,
    *,
    name: str,
    creds: str,
    heard: Callable[[str, bytes], None],
    listening: Collection[str] = (),
    tls: ClientTls | None = None,
) -> Link:
    """Log in at one server; ``heard`` gets what servers tell of themselves, and on the subjects of ``listening``.

    Raises:
        OSError, TimeoutError, nats.errors.Error: the cause, as the library puts it.
        UnusableTlsError: our own certificate or the CA's cannot be used.
        PlainRefusedError: the server offers no TLS, and nothing was sent to it.

    """
    link = Link(url, heard, tls)
    try:
        await link.client.connect(
            servers=[url],
            name=name,
            user_credentials=RawCredentials(creds),
            tls=link.context,
            allow_reconnect=False,
            # Even so the library dials a closed port again and again, two minutes long, unless told otherwise.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=_CONNECT_SECONDS,
            pending_size=_PENDING_BYTES,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=2,
            closed_cb=link.on_closed,
            error_cb=link.on_error,
        )
        await link.listen((*TOLD_UNASKED, *listening))
    except BaseException as error:
        await link.close()
        if isinstance(error, Exception) and link.error is not None and link.error is not error:
            raise link.error from None  # "no servers available" says less than why
        raise
    return link
