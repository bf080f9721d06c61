"""How a Hub's own Secrets are kept, whatever they hold: nobody else's is touched, and what is so is not written."""

from collections.abc import Mapping
from typing import Any

import structlog

from iotsec.decide import names
from iotsec.decide.secrets import Owner, SecretManifest, facts_of, is_satisfied
from iotsec.kube.errors import AlreadyExistsError, ApiError
from iotsec.kube.keys import Key
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter

log = structlog.get_logger()

Secret = Mapping[str, Any]


class SecretTakenError(Exception):
    """A Secret of a name we need exists and is not ours."""


class HubSecretKeeper:
    """Makes Secrets what they should be."""

    def __init__(self, writer: SecretWriter, cache: SecretCache) -> None:
        self._writer = writer
        self._cache = cache

    async def keep(self, manifest: SecretManifest, found: Secret | None, *, ending: bool) -> None:
        """Make a Secret so, which was ``found`` to be as it is; one that is so already is not written.

        Of a Hub that is ``ending`` nothing is made again that somebody deletes: it was deleted with its namespace, or
        its dependents first.

        Raises:
            ConflictError, ApiError: it cannot be written now.

        """
        facts = facts_of(found["metadata"]) if found is not None else None
        if facts is not None and facts.deleting and not ending and not await self._namespace_is_ending(manifest):
            await self._writer.let_go(facts)
            facts = None
        elif found is not None and is_satisfied(found, manifest):
            self._cache.wrote(found["metadata"])
            return
        elif found is None and ending:
            return
        await self._writer.write(manifest, facts)
        log.info("hub secret written", hub=manifest.hub, secret=manifest.name, action="write")

    async def _namespace_is_ending(self, manifest: SecretManifest) -> bool:
        """Tell whether the namespace takes nothing new, so that a Secret that goes cannot be there again.

        The name is taken: what refuses to create it tells. Until the Hub's end our finalizer keeps what is there.
        """
        try:
            await self._writer.write(manifest, None)
        except AlreadyExistsError:
            return False
        except ApiError as error:
            if error.in_ending_namespace:
                return True
            raise
        return False


def is_ours(secret: Secret | None, owner: Owner) -> bool:
    """Tell whether a Secret is the Hub's, or nobody's yet."""
    if secret is None:
        return True
    controller = facts_of(secret["metadata"]).owner
    return controller is not None and controller.uid == owner.uid


def check_ours(secret: Secret | None, owner: Owner) -> None:
    """See that a Secret is the Hub's, or nobody's yet; raises `SecretTakenError`."""
    if secret is not None and not is_ours(secret, owner):
        name = secret["metadata"]["name"]
        raise SecretTakenError(
            f"Secret {name} exists and is not this Hub's: if it was restored from a backup, give it its "
            "ownerReferences back; else delete it, or give the Hub another name"
        )


def hub_manifest(
    hub: Key,
    name: str,
    data: Mapping[str, bytes],
    component: str,
    owner: Owner,
    *,
    kind: str = names.OPAQUE,
    annotations: Mapping[str, str] | None = None,
) -> SecretManifest:
    """Return the manifest of a Secret of a Hub; ``kind`` is the type of Secret."""
    return SecretManifest(
        namespace=hub.namespace,
        name=name,
        data=data,
        owner=owner,
        component=component,
        hub=hub.place,
        type=kind,
        annotations=annotations or {},
    )
