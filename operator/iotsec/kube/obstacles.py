"""Secrets of others that stand where an identity's should be; nobody tells us when they go."""

from iotsec.decide import identity_secrets
from iotsec.decide.obstacle import obstacle_of
from iotsec.decide.secrets import facts_of
from iotsec.decide.views import Declared, HubView, Identity, Obstacle
from iotsec.kube.client import Client
from iotsec.kube.errors import NotFoundError
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import SECRETS

_FIRST_SECONDS = 1.0
_LAST_SECONDS = 60.0
"""How long to wait at first, and at most, before looking again."""


class Obstacles:
    """Who has met one, at which name, and when it is looked for again."""

    def __init__(self, client: Client, queue: WorkQueue[Key]) -> None:
        self._client = client
        self._queue = queue
        self._met: dict[Key, dict[str, float]] = {}
        """How long each waits for a name by now, in seconds."""

    def meet(self, key: Key, name: str) -> None:
        """Take note that somebody else's Secret has a name that this identity needs."""
        self._met.setdefault(key, {})[name] = 0.0

    def forget(self, key: Key) -> None:
        """Take note that an identity is gone."""
        self._met.pop(key, None)

    async def of(self, key: Key, identity: Declared, view: HubView | None) -> dict[str, Obstacle]:
        """Look again at what stood in an identity's way; return what still does, by the name of the Secret."""
        waits = self._met.get(key)
        if not waits or not isinstance(identity, Identity):
            return {}
        wanted = {identity_secrets.credential(identity), identity_secrets.certificate(identity)}
        found: dict[str, Obstacle] = {}
        for name in tuple(waits):
            obstacle = await self._look(key, name, identity, view) if name in wanted else None
            if obstacle is None:
                del waits[name]
                continue
            found[name] = obstacle
            waits[name] = min(_LAST_SECONDS, max(_FIRST_SECONDS, 2 * waits[name]))
            self._queue.add_after(key, waits[name])
        if not waits:
            del self._met[key]
        return found

    async def _look(self, key: Key, name: str, identity: Identity, view: HubView | None) -> Obstacle | None:
        try:
            found = await self._client.get_metadata(SECRETS, key.namespace, name)
        except NotFoundError:
            return None
        return obstacle_of(facts_of(found["metadata"]), identity, view)
