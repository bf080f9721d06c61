"""The connection to a Hub's servers as a system-account user.

Its credentials are minted for each connection and live in memory alone; before they run out a new connection takes
over, and the old one is closed when its last question is answered. Servers may be away for any time: the connection is
then tried again, for ever, at one server after the other.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import nats.errors
import structlog

from iotsec.broker.client_tls import ClientTls, trouble
from iotsec.broker.link import TOLD_UNASKED, Link, connect, heed_cancellation

log = structlog.get_logger()

CREDENTIALS_SECONDS = 3600
_STABLE_SECONDS = 5.0
_RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
_REFUSED = "the NATS servers do not accept this Hub's operator: mount its config Secret and restart them"


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
        heard: Callable[[str, bytes], None],
        tls: Callable[[], ClientTls | None] = lambda: None,
        leads: Callable[[], bool] = lambda: True,
        renew_seconds: float = CREDENTIALS_SECONDS / 2,
        retry_seconds: Sequence[float] = _RETRY_SECONDS,
    ) -> None:
        """Prepare.

        ``mint`` gives a fresh creds file, good for clearly longer than ``renew_seconds``; ``changed`` is called when
        servers are found or lost, ``heard`` with the subject and the body of what they tell of themselves; ``tls`` says
        what the next connection is encrypted with, where that is not left to the server and the roots of this machine;
        ``retry_seconds`` are the pauses after failures in a row, the last of them for ever. While ``leads`` denies it
        nothing is asked or told over the connection: another replica may do that now.
        """
        self._hub = hub
        self._servers = servers
        self._mint = mint
        self._changed = changed
        self._heard = heard
        self._tls = tls
        self._leads = leads
        self._renew_seconds = renew_seconds
        self._retry_seconds = retry_seconds
        self._link: Link | None = None
        self._turn = 0
        self._troubles: dict[str, str] = {}
        """What each server that was tried has against us, or we against it; empty where it is away."""
        self._listening: tuple[str, ...] = ()
        self._listen = asyncio.Lock()
        self._gaps = 0
        self.problem = "not connected to NATS yet"
        """Why there is no connection; empty while there is one, and while a lost one is made anew."""
        self.tried = False
        """A first attempt came to an end, well or not."""
        self.refused = False
        """The servers are there and do not accept our credentials."""
        self.untrusted = False
        """A server is there, and TLS with it fails: on its certificate or on ours, or it offers none."""

    @property
    def encrypted(self) -> bool:
        """Whether there is a connection, and it is by TLS with a server that was verified."""
        return self._link is not None and self._link.encrypted

    async def run(self) -> None:
        """Connect, keep connected, take over before the credentials end; runs until cancelled."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                taken = await self._take_over()
                heed_cancellation()
                pause = self._retry_seconds[min(failures, len(self._retry_seconds) - 1)]
                since, link = loop.time(), self._link
                ended = link is not None and await link.ended_within(self._renew_seconds if taken else pause)
                heed_cancellation()
                if link is not None and ended:
                    self._drop(link)
                # A connection that dies young is made again as slowly as one that cannot be made.
                well = taken and (not ended or loop.time() - since > _STABLE_SECONDS)
                failures = 0 if well else failures + 1
                if self._link is None and not well:
                    await asyncio.sleep(pause)
        finally:
            if self._link is not None:
                await self._link.close()

    async def _take_over(self) -> bool:
        """Make a new connection the one in use; tell whether there is one. A failure leaves the old one as it is."""
        servers = self._servers()
        url = servers[self._turn % len(servers)]
        try:
            link = await self._connected(url)
        except Exception as error:  # noqa: BLE001 - whatever the library came to grief over, it is tried again
            self._turn += 1
            self._note_failure(url, error)
            return False
        previous, self._link = self._link, link
        self._troubles.clear()
        self.problem, self.refused, self.untrusted, self.tried = "", False, False, True
        if previous is None:
            self._gaps += 1
            log.info("connected", hub=self._hub, action="connect")
            self._changed()
        else:
            await previous.close_when_idle()
        if link.tls != self._tls():
            link.stir()  # `retarget` came meanwhile, and reached the one before
        return True

    async def _connected(self, url: str) -> Link:
        """Connect, by the former certificates where those of now do not do; raises what `connect` does."""
        tls = self._tls()
        try:
            return await self._connect(url, tls)
        except Exception as error:
            if tls is None or tls.former is None:
                raise
            try:
                link = await self._connect(url, tls.former)
            except Exception:  # noqa: BLE001 - what came first is what counts
                raise error from None
        link.tls = tls  # it goes on until that is another
        return link

    async def _connect(self, url: str, tls: ClientTls | None) -> Link:
        return await connect(
            url,
            name=f"iot-security-operator {self._hub}",
            creds=self._mint().decode(),
            heard=self._heard,
            listening=self._listening,
            tls=tls,
        )

    def _drop(self, link: Link) -> None:
        """Give a connection up that ended, and go on at the next server; it is no problem before that fails too."""
        log.info("connection lost", hub=self._hub, error=_words(link.error), action="connect")
        self._link = None
        self._turn += 1

    def _note_failure(self, url: str, error: Exception) -> None:
        """Tell that there is no connection, once every server was tried."""
        text = _words(error)
        if self._link is not None:
            log.warning("not renewed", hub=self._hub, action="connect", error=text)
            self._end_where_plain(self._link)
            return
        servers = self._servers()
        # A server that refuses hangs up, and that may be all that arrives: it tells nothing new.
        hung_up = isinstance(error, ConnectionResetError | BrokenPipeError)
        known_of_it = self._troubles.get(url, "") if hung_up else ""
        self._troubles[url] = _REFUSED if "uthorization" in text else trouble(error, url) or known_of_it
        if any(server not in self._troubles for server in servers):
            return
        # One that refuses tells more than others that are away, whichever was asked last.
        troubles = [found for server in servers if (found := self._troubles[server])]
        self.refused = _REFUSED in troubles
        self.untrusted = bool(troubles) and not self.refused
        known = self.problem
        if self.refused:
            self.problem = _REFUSED
        else:
            self.problem = next(iter(troubles), f"no NATS server answers at {', '.join(servers)}")
        first, self.tried = not self.tried, True
        if first or self.problem != known:
            log.warning("not connected", hub=self._hub, action="connect", error=text)
            self._changed()

    def _end_where_plain(self, link: Link) -> None:
        """End a connection without TLS, where that is no longer allowed and no other one can be made."""
        tls = self._tls()
        if tls is not None and tls.required and not link.encrypted:
            self.abandon("it is not encrypted")

    def abandon(self, why: str) -> None:
        """Give up a connection that is no good: the next server may do better."""
        if self._link is not None:
            self._link.end(ConnectionError(why))

    def retarget(self) -> None:
        """Take note that the servers to reach are others now, or what connections are encrypted with.

        A connection that was made with another certificate or CA goes on until one that is made now takes over.
        """
        self._troubles.clear()
        if self._link is None:
            return
        if self._link.url not in self._servers():
            self.abandon("its server is none of the Hub's any more")
        elif self._link.tls != self._tls():
            self._link.stir()

    @property
    def continuity(self) -> tuple[int, int]:
        """Something that is another whenever what was told since may have been missed."""
        return self._gaps, self._link.missed if self._link is not None else 0

    async def listen(self, subjects: Sequence[str]) -> None:
        """Hear these subjects too, over this connection and all to come, in place of those asked for before.

        Raises:
            UnavailableError: there is no connection; the next one hears them.

        """
        self._listening = tuple(subjects)
        async with self._listen, self._session() as link:
            await link.listen((*TOLD_UNASKED, *self._listening))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Link]:
        link = self._link
        if not self._leads():
            raise UnavailableError("this replica no longer leads")
        if link is None:
            raise UnavailableError(self.problem or "the connection to NATS was lost and is being made anew")
        try:
            with link.in_use():
                yield link
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError(f"the NATS connection failed: {type(error).__name__}") from None

    async def gather(self, subject: str, payload: bytes, *, expect: int, seconds: float) -> list[bytes]:
        """Ask every server and collect the answers until ``expect`` came or the time is over.

        Raises:
            UnavailableError: there is no connection.

        """
        async with self._session() as link:
            answers: list[bytes] = []
            inbox = link.client.new_inbox()
            subscription = await link.client.subscribe(inbox)
            try:
                # Requests carry no headers: older servers choke on them here.
                await link.client.publish(subject, payload, reply=inbox)
                async with asyncio.timeout(seconds):
                    while len(answers) < expect:
                        answers.append((await subscription.next_msg(timeout=seconds)).data)
            except TimeoutError:
                pass
            finally:
                if not link.client.is_closed:
                    await subscription.unsubscribe()
                heed_cancellation()
            return answers


def _words(error: BaseException | None) -> str:
    if error is None:
        return "closed by the server"
    return str(error).removeprefix("nats: ").strip("'") or type(error).__name__
