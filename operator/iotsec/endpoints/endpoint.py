"""Something that answers over HTTP, between `start` and `close`."""

from abc import ABC, abstractmethod
from typing import ClassVar

import structlog
from aiohttp import web

log = structlog.get_logger()


class Endpoint(ABC):
    """One address, and what is answered there."""

    listens: ClassVar[str]
    """How the log tells that it does."""
    keepalive_seconds: ClassVar[float]

    def __init__(self, *, host: str, port: int) -> None:
        """Prepare; port 0 takes one that is free."""
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """Where it listens: the port it was given, or, for 0, the one that was free."""
        return self._port

    async def start(self) -> None:
        """Listen; raises ``OSError`` where the address is taken."""
        runner = web.AppRunner(
            self._application(), access_log=None, keepalive_timeout=self.keepalive_seconds, shutdown_timeout=1
        )
        self._runner = runner
        await runner.setup()
        await web.TCPSite(runner, self._host, self._port).start()
        self._port = runner.addresses[0][1]
        log.info(self.listens, host=self._host, port=self._port, action="listen")

    async def close(self) -> None:
        """Listen no more; a second time does nothing."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @abstractmethod
    def _application(self) -> web.Application:
        """Return what is answered to what."""
