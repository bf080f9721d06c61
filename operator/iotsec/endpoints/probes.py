"""The kubelet asks here whether this process must be started anew, and whether it is ready."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from iotsec.decide.duty import Verdict
from iotsec.endpoints.endpoint import Endpoint

READY_PATH: Final = "/readyz"


class ProbesEndpoint(Endpoint):
    """Answers 200 or 503, and why, in words; between `start` and `close`."""

    listens = "probes endpoint listens"
    keepalive_seconds = 15

    def __init__(
        self, *, alive: Callable[[], Verdict], ready: Callable[[], Verdict], path: str, host: str, port: int
    ) -> None:
        """Prepare; ``alive`` is answered at ``path``, ``ready`` at `READY_PATH`."""
        super().__init__(host=host, port=port)
        self._judges = {path: alive, READY_PATH: ready}

    def _application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get(path, self._probed) for path in self._judges])
        return app

    async def _probed(self, http: web.Request) -> web.Response:
        verdict = self._judges[http.path]()
        return web.Response(status=200 if verdict.good else 503, text=f"{verdict.why}\n")
