"""A Hub's CA: made, taken from the user or found at an issuer, and replaced in time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from iotsec.decide.authorities import Generation, of_root
from iotsec.decide.ca_succession import kept, own_ca, renewal_due, users_ca
from iotsec.decide.secrets import Owner
from iotsec.decide.tls_settings import TlsSettings
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.tls_secrets import TlsSecrets
from iotsec.x509.authority import UnusableAuthorityError
from iotsec.x509.keys import KeyType, PrivateKey

log = structlog.get_logger()

_READ_AGAIN_SECONDS = 10.0


class TlsAuthorities:
    """Keeps the CAs of Hubs; each step of a rotation is written down before anything relies on it."""

    def __init__(
        self,
        secrets: TlsSecrets,
        *,
        clock: Callable[[], int],
        entropy: Callable[[], bytes],
        make_key: Callable[[KeyType], PrivateKey],
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._entropy = entropy
        self._make_key = make_key

    async def keep(self, hub: HubRuntime, settings: TlsSettings, owner: Owner, *, token: str) -> None:
        """Bring the CA in order, one step at a time; ``token`` asks for another one.

        Raises:
            UnusableAuthorityError: the user's CA cannot be used; what is there goes on.
            SecretTakenError: somebody else's Secret is in the way.

        """
        tls, before = hub.tls, hub.tls.authorities
        given: Generation | None = None
        unusable: UnusableAuthorityError | None = None
        try:
            given = await self._given(hub, settings)
        except UnusableAuthorityError as error:
            if before is None:
                raise
            unusable = error
        state = kept(
            before,
            settings,
            given,
            tls.seen,
            make=lambda number: self._made(hub, settings, number),
            token=token,
            salt=_salt(hub),
            now=self._clock(),
        )
        if state is None:
            return
        if before is not None and state.phase is not before.phase:
            log.info("CA rotation", hub=str(hub.key), phase=str(state.phase), action="rotate")
        await self._secrets.keep_authorities(hub, state, owner)
        if state != before:
            tls.count_due = float("-inf")  # who has what was counted against what was written down before
            tls.seen = replace(tls.seen, servers="the servers have yet to be given it")
        tls.authorities = state
        if unusable is not None:
            raise unusable

    def due(self, hub: HubRuntime, settings: TlsSettings) -> int | None:
        """Return when the CA is replaced, in unix seconds; ``None`` for one that is somebody else's to replace."""
        state = hub.tls.authorities
        return None if state is None else renewal_due(state, settings, salt=_salt(hub), now=self._clock())

    async def _given(self, hub: HubRuntime, settings: TlsSettings) -> Generation | None:
        """Return the CA that the user keeps, or the root that an issuer was found to have.

        Raises:
            UnusableAuthorityError: the user's cannot be used.

        """
        tls = hub.tls
        if settings.issuer is not None:
            return of_root(tls.found_root, settings.source) if tls.found_root else None
        if not settings.ca_secret:
            return None
        now = asyncio.get_running_loop().time()
        if now >= tls.issuer_due or tls.given is None or tls.given[0] != settings.ca_secret:
            found = await self._secrets.read_given(hub, settings.ca_secret)
            tls.given = (settings.ca_secret, found) if found is not None else None
            tls.issuer_due = now + _READ_AGAIN_SECONDS
        return users_ca(tls.given[1] if tls.given is not None else None, settings, now=self._clock())

    def _made(self, hub: HubRuntime, settings: TlsSettings, number: int) -> Generation:
        name = f"{hub.key.name}.{hub.key.namespace}"
        return own_ca(settings, number, hub=name, make_key=self._make_key, now=self._clock(), entropy=self._entropy)


def _salt(hub: HubRuntime) -> str:
    return f"{hub.uid}/ca"
