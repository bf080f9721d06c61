"""A Hub's CA: made, taken from the user or found at an issuer, and replaced in time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from iotsec.decide import authorities as ca
from iotsec.decide.authorities import Authorities, Generation
from iotsec.decide.ca_rotation import advanced, begin, may_begin
from iotsec.decide.rotation import Life, turn
from iotsec.decide.secrets import Owner
from iotsec.decide.server_certificates import CA_KEY, CERTIFICATE_KEY, CLOCK_SKEW, PRIVATE_KEY
from iotsec.decide.tls_settings import TlsSettings
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.tls_secrets import TlsSecrets
from iotsec.x509.authority import UnusableAuthorityError, read_authority, self_signed
from iotsec.x509.keys import KeyType, PrivateKey, new_serial
from iotsec.x509.names import short_name

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
        tls, now = hub.tls, self._clock()
        before = tls.authorities
        unusable: UnusableAuthorityError | None = None
        try:
            given = await self._given(hub, settings)
        except UnusableAuthorityError as error:
            if before is None:
                raise
            given, unusable = None, error
        if before is None:
            first = given if settings.source_is_given else self._made(hub, settings, number=1)
            if first is None:
                return
            state = replace(ca.first(first, now=now), heeded=token)
        else:
            state = ca.with_key(before, given.authority) if given is not None and given.authority else before
            state = self._next(hub, settings, state, given, token=token)
        if before is not None and state.phase is not before.phase:
            log.info("CA rotation", hub=str(hub.key), phase=str(state.phase), action="rotate")
        await self._secrets.keep_authorities(hub, state, owner)
        if state != before:
            tls.seen = replace(tls.seen, servers="the servers have yet to be given it")
        tls.authorities = state
        if unusable is not None:
            raise unusable

    def due(self, hub: HubRuntime, settings: TlsSettings) -> int | None:
        """Return when the CA is replaced, in unix seconds; ``None`` for one that is somebody else's to replace."""
        state = hub.tls.authorities
        if state is None or settings.source_is_given:
            return None
        life = Life(state.newest.issued_at, state.newest.expires_at)
        return turn(life, settings.ca_policy, salt=f"{hub.uid}/ca", now=self._clock()).due

    def _next(
        self, hub: HubRuntime, settings: TlsSettings, state: Authorities, given: Generation | None, *, token: str
    ) -> Authorities:
        now = self._clock()
        if may_begin(state, settings.pace):
            successor = self._successor(hub, settings, state, given, token=token)
            if successor is not None:
                return begin(state, successor, settings.pace, now=now, token=token)
        return advanced(state, hub.tls.seen, settings.pace, now=now)

    def _successor(
        self, hub: HubRuntime, settings: TlsSettings, state: Authorities, given: Generation | None, *, token: str
    ) -> Generation | None:
        """Return another CA where one is wanted: by the spec, by its age, or since somebody asks."""
        newest = state.newest
        if settings.source_is_given:
            return given if given is not None and given.id != newest.id else None
        due = self.due(hub, settings)
        asked = token not in ("", state.heeded)
        in_use = newest.source == settings.source and newest.authority is not None
        if in_use and not asked and due is not None and due > self._clock():
            return None
        return self._made(hub, settings, number=newest.number + 1)

    async def _given(self, hub: HubRuntime, settings: TlsSettings) -> Generation | None:
        """Return the CA that the user keeps, or the root that an issuer was found to have.

        Raises:
            UnusableAuthorityError: the user's cannot be used.

        """
        tls = hub.tls
        if settings.issuer is not None:
            return ca.of_root(tls.found_root, settings.source) if tls.found_root else None
        if not settings.ca_secret:
            return None
        found = await self._secrets.read_given(hub, settings.ca_secret)
        tls.issuer_due = asyncio.get_running_loop().time() + _READ_AGAIN_SECONDS
        if found is None:
            raise UnusableAuthorityError(
                f"Secret {settings.ca_secret} with the CA does not exist: create it, or write the name of another"
            )
        for entry in (CERTIFICATE_KEY, PRIVATE_KEY):
            if not found.get(entry):
                raise UnusableAuthorityError(f"Secret {settings.ca_secret} has no {entry}: write it there")
        try:
            authority = read_authority(
                found[CERTIFICATE_KEY], found[PRIVATE_KEY], root=found.get(CA_KEY, b""), now=self._clock()
            )
        except UnusableAuthorityError as error:
            raise UnusableAuthorityError(f"Secret {settings.ca_secret}: {error}") from None
        return ca.of_authority(authority, settings.source)

    def _made(self, hub: HubRuntime, settings: TlsSettings, *, number: int) -> Generation:
        now = self._clock()
        authority = self_signed(
            short_name(f"{hub.key.name}.{hub.key.namespace} CA {number}"),
            self._make_key(settings.ca_key_type),
            serial=new_serial(self._entropy()),
            issued_at=now - CLOCK_SKEW,
            expires_at=now + settings.ca_policy.duration,
        )
        return ca.of_authority(authority, settings.source, number=number)
