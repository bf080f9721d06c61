"""How a Hub is encrypted, step by step: its CA, the certificates of its servers, and what those are given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import structlog

from iotsec.api.model import SpecError
from iotsec.decide.ca_rotation import next_step
from iotsec.decide.conditions import Reason
from iotsec.decide.revoked_certificates import RevokedCertificate
from iotsec.decide.secrets import Owner
from iotsec.decide.server_certificates import Outcome, plan_server_certificate
from iotsec.decide.server_files import server_files
from iotsec.decide.tls_given import first_view, kept_view, tls_view
from iotsec.decide.tls_settings import OPERATOR, SERVER, PolicyRefusedError, TlsSettings, tls_settings
from iotsec.decide.tls_status import is_established, restart_of
from iotsec.decide.tls_view import TlsView
from iotsec.kube.certificate_requests import CertificateOrders
from iotsec.kube.errors import ApiError
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secret_keeper import SecretTakenError
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.tls_authorities import TlsAuthorities
from iotsec.kube.tls_policies import PolicyRecord
from iotsec.kube.tls_runtime import TlsRuntime
from iotsec.kube.tls_secrets import TlsSecrets
from iotsec.nats.tls_config import KeyPair, tls_config_in, verifies_clients
from iotsec.x509.authority import UnusableAuthorityError
from iotsec.x509.bundle import separate
from iotsec.x509.keys import KeyType, PrivateKey

log = structlog.get_logger()

_TROUBLES: dict[type[Exception], Reason] = {
    PolicyRefusedError: Reason.INVALID_SPEC,
    SpecError: Reason.INVALID_SPEC,
    UnusableAuthorityError: Reason.ISSUER_UNUSABLE,
    SecretTakenError: Reason.SECRET_CONFLICT,
}
_REFUSED = {HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY}  # by a quota, or an admission webhook


@contextmanager
def _told(tls: TlsRuntime) -> Iterator[None]:
    """Take note of what is wrong with the policy or its CA, the first thing of all."""
    try:
        yield
    except tuple(_TROUBLES) as error:
        reason = next(reason for kind, reason in _TROUBLES.items() if isinstance(error, kind))
        tls.trouble = tls.trouble or (reason, str(error))
    except ApiError as error:
        if error.code not in _REFUSED:
            raise
        # Whoever is deleted must be cut off all the same.
        tls.trouble = tls.trouble or (Reason.SECRET_REFUSED, f"the API server refuses a Secret of the Hub: {error}")


def _keep_former(tls: TlsRuntime, name: str) -> None:
    """Keep a certificate that takes leave where its CA is trusted no more, all at once.

    Servers that have not read their files again show it, or let us in by it alone, and are to be told to by us.
    """
    held = tls.certificates.get(name)
    if held is None or name not in (SERVER, OPERATOR) or tls.authorities is None:
        return
    if not any(held.is_of(one) for one in tls.authorities.generations):
        key = held.key.to_pem() if name == OPERATOR else b""
        tls.formers.setdefault(name, KeyPair(separate(held.certificate)[0] if not key else held.certificate, key))


class TlsKeeper:
    """Keeps what encrypts each Hub; what servers and identities are given is in ``hub.tls`` afterwards."""

    def __init__(
        self,
        secrets: TlsSecrets,
        cache: SecretCache,
        authorities: TlsAuthorities,
        orders: CertificateOrders,
        *,
        clock: Callable[[], int],
        entropy: Callable[[], bytes],
        make_key: Callable[[KeyType], PrivateKey],
    ) -> None:
        self._secrets = secrets
        self._cache = cache
        self._authorities = authorities
        self._orders = orders
        self._clock = clock
        self._entropy = entropy
        self._make_key = make_key

    async def advance(self, hub: HubRuntime, owner: Owner, policy: PolicyRecord | None, *, ending: bool) -> bool:
        """Make the next step; tell whether servers are to be given something else than before.

        What is wrong with the policy or its CA is in ``hub.tls.trouble`` afterwards, and changes nothing of what works.

        Raises:
            ConflictError, ApiError: a Secret cannot be written now.

        """
        tls, before = hub.tls, hub.tls.config
        tls.trouble = None
        if hub.stale or not tls.loaded:
            await self._secrets.load(hub, owner, now=self._clock())
            if not tls.loaded:  # what servers have stays, whatever is missing for another
                tls.config = tls_config_in(await self._secrets.read_config(hub, owner))
            tls.loaded = True
        if not ending:
            await self._carry_out_policy(hub, owner, policy)
        with _told(tls):
            await self._record(hub, owner, ending=ending)
        if tls.settings is None and (ending or policy is not None):
            # Nobody knows how it is to be: it stays as it is, for servers and for identities.
            tls.view = self._kept_view(hub)
        else:
            tls.view = self._view(hub) if tls.settings is not None and tls.authorities is not None else None
            tls.config = server_files(tls.settings, tls.authorities, tls.certificates, before=tls.config)
        return tls.config != before

    async def _carry_out_policy(self, hub: HubRuntime, owner: Owner, policy: PolicyRecord | None) -> None:
        """Make each part of the step that can be made; what is wrong with one does not stop the others."""
        tls = hub.tls
        with _told(tls):
            await self._specify(hub, owner, policy)
        if tls.settings is None or policy is None:
            return
        with _told(tls):
            await self._authorities.keep(hub, tls.settings, owner, token=policy.rotate_ca)
        with _told(tls):
            await self._certificates(hub, tls.settings, owner, token=policy.rotate)

    def _kept_view(self, hub: HubRuntime) -> TlsView | None:
        tls = hub.tls
        if tls.authorities is None or tls.revoked is None:
            return None
        name = hub.key.place
        mutual = any(facts.certificate is not None and facts.hub == name for facts in self._cache)
        problem = tls.trouble[1] if tls.trouble is not None else "its Hub is being deleted"
        return kept_view(tls.authorities, tls.revoked, mutual=mutual, problem=problem)

    def due(self, hub: HubRuntime) -> int | None:
        """Return when to look again though nothing happens, in unix seconds."""
        tls = hub.tls
        if tls.settings is None or tls.authorities is None:
            return None
        found = (
            *tls.dues.values(),
            self._authorities.due(hub, tls.settings),
            next_step(tls.authorities, tls.settings.pace, now=self._clock()),
        )
        return min((at for at in found if at is not None), default=None)

    async def _specify(self, hub: HubRuntime, owner: Owner, policy: PolicyRecord | None) -> None:
        """Work the policy out."""
        tls = hub.tls
        if policy is None:
            tls.settings = None
            for name in tuple(tls.certificates):
                await self._drop(hub, name, owner)
            return
        if hub.spec is None:
            raise RuntimeError("the Hub's spec is not known")
        if tls.settings is None:  # of what was told before there is nothing in memory
            tls.established |= is_established(policy.status, generation=policy.metadata["generation"])
            tls.heeded = policy.rotate if policy.rotate in (policy.status.get("rotated") or ()) else ""
            tls.rollout.restart = tls.rollout.restart or restart_of(policy.status)
        source = *policy.version, hub.spec
        if tls.source != source or tls.settings is None:
            spec = policy.policy().spec
            tls.settings = tls_settings(spec, hub.spec, name=hub.key.name, namespace=hub.key.namespace)
            tls.source = source

    async def _certificates(self, hub: HubRuntime, settings: TlsSettings, owner: Owner, *, token: str) -> None:
        """Bring the certificates of the servers, and the operator's own, in order."""
        tls = hub.tls
        view = self._view(hub)
        if tls.formers and tls.rollout.converged and tls.config is not None and tls.config.is_in(hub.config):
            tls.formers.clear()
            hub.connect()
        for name, wanted in settings.groups.items():
            order = hub.key, name
            with _told(tls):
                outcome = plan_server_certificate(
                    tls.certificates.get(name),
                    wanted,
                    view,
                    tls.authorities.signing if tls.authorities is not None else None,
                    salt=f"{hub.uid}/{name}",
                    forced=token not in ("", tls.heeded, tls.renewed.get(name)),
                    placed=self._orders.placed(order),
                    make_key=self._make_key,
                    now=self._clock(),
                    entropy=self._entropy,
                )
                await self._carry_out(hub, name, outcome, owner)
                tls.renewed[name] = token
            if settings.issuer is None:  # what was asked of another before is not wanted any more
                await self._orders.done(order)
        if all(tls.renewed.get(name) == token for name in settings.groups):
            tls.heeded = token
        for name in [one for one in tls.certificates if one not in settings.groups]:
            await self._drop(hub, name, owner)

    async def _carry_out(self, hub: HubRuntime, name: str, outcome: Outcome, owner: Owner) -> None:
        tls, order = hub.tls, (hub.key, name)
        if outcome.order is not None:
            await self._orders.place(order, *outcome.order, namespace=hub.key.namespace, owner=owner)
        placed = self._orders.placed(order)
        if placed is not None and placed.root:
            tls.found(placed.root)
        tls.waits_for[name] = outcome.waits_for
        tls.dues.pop(name, None)
        if outcome.due is not None:
            tls.dues[name] = outcome.due
        if outcome.certificate is None:
            return
        if outcome.is_new:
            _keep_former(tls, name)
        await self._secrets.keep_certificate(hub, name, outcome.certificate, owner)
        tls.certificates[name] = outcome.certificate
        if outcome.is_new:
            log.info("certificate issued", hub=str(hub.key), certificate=name, action="issue")
            await self._orders.done(order)

    async def _drop(self, hub: HubRuntime, name: str, owner: Owner) -> None:
        # Servers that ask for our certificate until they have read their files again can be told to by nobody else.
        if name == OPERATOR and (verifies_clients(hub.config) or not hub.tls.rollout.converged):
            return
        await self._orders.done((hub.key, name))
        await self._secrets.drop_certificate(hub, name, owner)
        hub.tls.certificates.pop(name, None)
        hub.tls.dues.pop(name, None)
        hub.tls.waits_for.pop(name, None)

    async def _record(self, hub: HubRuntime, owner: Owner, *, ending: bool) -> None:
        """Write down which certificates are to be refused, of those that were asked for."""
        tls = hub.tls
        if not tls.requested or tls.revoked is None:
            return
        now = self._clock()
        asked = tuple(tls.requested.values())
        ended = [RevokedCertificate(one.serial, one.issuer, now, one.expires_at) for one in asked]
        wanted = tls.revoked.with_those_that_fit(ended, now=now)
        await self._secrets.keep_revoked(hub, wanted, owner, ending=ending)
        if len(wanted.beyond) > len(tls.revoked.beyond):
            log.warning("revoked certificates full", hub=str(hub.key), certificates=len(wanted), action="record")
        tls.revoked = wanted
        for one in asked:
            tls.requested.pop(one.serial, None)

    def _view(self, hub: HubRuntime) -> TlsView:
        tls = hub.tls
        if tls.settings is None or tls.revoked is None:
            raise RuntimeError("there is no policy")
        if tls.authorities is None:
            return first_view(tls.settings)
        return tls_view(tls.settings, tls.authorities, tls.revoked, hub=hub.key.place)
