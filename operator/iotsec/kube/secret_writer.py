"""The one place that writes Secrets: created once, changed in place afterwards, let go before they are deleted."""

from collections.abc import Mapping
from typing import Any

from iotsec.decide.secrets import SecretFacts, SecretManifest
from iotsec.kube.client import Client
from iotsec.kube.errors import AlreadyExistsError, ApiError, NotFoundError
from iotsec.kube.finalizers import remove_finalizer
from iotsec.kube.resources import SECRETS
from iotsec.kube.secret_cache import SecretCache

_FORBIDDEN = 403


class SecretWriter:
    """Writes, reads and lets go Secrets of ours, and keeps the cache told."""

    def __init__(self, client: Client, cache: SecretCache) -> None:
        self._client = client
        self._cache = cache

    async def write(self, manifest: SecretManifest, replaces: SecretFacts | None) -> SecretFacts:
        """Create the Secret, or change exactly the version we saw.

        Raises:
            AlreadyExistsError: there is one of that name already.
            ConflictError: it changed since we saw it.

        """
        if replaces is None:
            metadata = await self._client.create(SECRETS, manifest.namespace, manifest.to_object())
        else:
            metadata = await self._client.merge_patch(
                SECRETS, manifest.namespace, manifest.name, manifest.to_patch(replaces=replaces)
            )
        return self._cache.wrote(metadata["metadata"])

    async def replace_deleted(self, manifest: SecretManifest, former: SecretFacts) -> SecretFacts:
        """Create a Secret again that somebody deleted and our finalizer holds, or that is to be of another type.

        In a namespace that is going nothing can be created: there it stays, changed in place, until its owner goes too.

        Raises:
            AlreadyExistsError: something else holds the deleted one as well.
            ConflictError: it changed since we saw it.

        """
        try:
            return await self.write(manifest, None)
        except AlreadyExistsError:
            await self.let_go(former)
            return await self.write(manifest, None)
        except ApiError as error:
            if error.code != _FORBIDDEN:
                raise
            return await self.write(manifest, former)

    async def read(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Return the whole Secret, or ``None``."""
        try:
            return await self._client.get(SECRETS, namespace, name)
        except NotFoundError:
            return None

    async def let_go(self, facts: SecretFacts, *, delete: bool = True) -> None:
        """Take our finalizer off a Secret and delete it, unless its owner's end will."""
        try:
            if facts.finalized:
                await remove_finalizer(self._client, SECRETS, facts.namespace, facts.name, uid=facts.uid)
            if delete and not facts.deleting:
                await self._client.delete(SECRETS, facts.namespace, facts.name, uid=facts.uid)
        except NotFoundError:
            pass
        self._cache.remove(facts.namespace, facts.name, uid=facts.uid)
