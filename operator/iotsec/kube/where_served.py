"""A watch of a kind that somebody else may install later, or take away."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from iotsec.kube.client import Client
from iotsec.kube.errors import NotFoundError
from iotsec.kube.informer import Informer
from iotsec.kube.resources import Selection


class WhereServed(Informer):
    """Watches a resource that may not be there: it is looked for now and then, without a word in the log.

    ``served`` is told whether it is, after each look.
    """

    def __init__(
        self,
        client: Client,
        selection: Selection,
        *,
        upsert: Callable[[Mapping[str, Any]], None],
        gone: Callable[[str, str], None],
        served: Callable[..., None],
        look_seconds: float,
    ) -> None:
        super().__init__(client, selection, upsert=upsert, gone=gone)
        self._served = served
        self._look_seconds = look_seconds

    async def _list(self) -> str:
        while True:
            try:
                version = await super()._list()
            except NotFoundError:
                self._served(served=False)
                self._tell_gone(self._known)
                await asyncio.sleep(self._look_seconds)
            else:
                self._served(served=True)
                return version
