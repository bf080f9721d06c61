"""Waits until the API server serves our kinds as this operator knows them."""

import asyncio
from collections.abc import Mapping

import structlog

from iotsec.api.crd import KINDS, object_schema
from iotsec.api.meta import GROUP, VERSION
from iotsec.decide.served_kinds import Schema, lacking, problem, served
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError, NotFoundError

log = structlog.get_logger()

_PATH = f"/openapi/v3/apis/{GROUP}/{VERSION}"
_LOOK_SECONDS = 3.0
_HIDDEN = (401, 403)


class ServedKinds:
    """Looks at what is served, now and then, until it fits."""

    def __init__(self, client: Client, *, look_seconds: float = _LOOK_SECONDS) -> None:
        self._client = client
        self._look_seconds = look_seconds
        self.problem = "the API server was not asked yet which kinds it serves"
        """What is wrong with them, and what helps; empty where nothing is."""

    async def fit(self) -> None:
        """Return once they do; an API server that does not let us look is taken at its word."""
        known: Mapping[str, Schema] = {kind.name: object_schema(kind) for kind in KINDS}
        while True:
            before, self.problem = self.problem, await self._problem(known)
            if not self.problem:
                return
            if self.problem != before:
                log.error("kinds do not fit", error=self.problem, action="wait")
            await asyncio.sleep(self._look_seconds)

    async def _problem(self, known: Mapping[str, Schema]) -> str:
        try:
            document = await self._client.document(_PATH)
        except NotFoundError:
            document = {}
        except ApiError as error:
            if error.code in _HIDDEN:
                log.warning("kinds cannot be looked at", error=str(error), action="start")
                return ""
            return f"the API server does not tell which kinds it serves: {error}"
        return problem(lacking(known, served(document, GROUP, VERSION)))
