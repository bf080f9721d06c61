"""Sees to it that servers run the configuration as it was written last: asks what they run, and for reloads."""

import asyncio
from collections.abc import Callable

import structlog

from iotsec.broker.client_tls import UnusableTlsError
from iotsec.broker.connection import UnavailableError
from iotsec.broker.rollout import loaded, reload, served
from iotsec.decide.rollout import Attempt, Current, Loaded, Overruled, Waiting, reload_due, server_rollout
from iotsec.decide.tls_status import ServerState, servers_behind
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.nats.tls_config import GROUPS

log = structlog.get_logger()

_BEHIND_SECONDS = 0.5
_CURRENT_SECONDS = 30.0
_SERVED_SECONDS = 60.0
_HANDSHAKE_SECONDS = 3.0


class TlsRollout:
    """Follows the servers of Hubs."""

    def __init__(self, *, clock: Callable[[], int]) -> None:
        self._clock = clock

    async def follow(self, hub: HubRuntime) -> float | None:
        """Look at the servers where it is time to, and ask those for a reload that are behind.

        Returns in how many seconds to look again; ``None`` where there is nothing to look at.
        """
        rollout, loop = hub.tls.rollout, asyncio.get_running_loop()
        if not rollout.written_at:
            return None
        if hub.connection.problem:
            rollout.states.clear()
            return None
        is_new = bool(hub.servers.known.keys() - rollout.states.keys())
        if loop.time() < rollout.look_due and not is_new:
            return rollout.look_due - loop.time()
        try:
            await self._look(hub)
            for server in tuple(rollout.loaded.values()):
                if await self._reload(hub, server):
                    await self._look(hub)
            await self._see_served(hub)
        except UnavailableError as error:
            log.debug("servers not asked", hub=str(hub.key), error=str(error))
            rollout.look_due = loop.time() + _BEHIND_SECONDS
            return _BEHIND_SECONDS
        if rollout.converged:
            rollout.restart = None  # whoever had to was restarted
        wait = _CURRENT_SECONDS if rollout.converged else _BEHIND_SECONDS
        rollout.look_due = loop.time() + wait
        return wait

    def servers(self, hub: HubRuntime) -> list[ServerState]:
        """Return how far each server is that there is, those too that do not answer, or were not asked yet."""
        rollout, known = hub.tls.rollout, hub.servers.known
        silent = {id_: Loaded(id=id_, name=one.name, version=one.version, ports={}) for id_, one in known.items()}
        return [
            ServerState(one, rollout.states.get(id_, Waiting()), rollout.served.get(id_, ""))
            for id_, one in {**silent, **rollout.loaded}.items()
        ]

    def behind(self, hub: HubRuntime) -> str:
        """Return what is missing at the servers, in words; empty where each runs what was written last."""
        return servers_behind(self.servers(hub), hub.connection.problem)

    async def _look(self, hub: HubRuntime) -> None:
        rollout = hub.tls.rollout
        known = hub.servers.known
        rollout.loaded = await loaded(hub.connection, expect=max(1, len(known)))
        own = hub.tls.certificates.get(GROUPS["client"])
        rollout.states = {
            id_: server_rollout(
                rollout.loaded.get(id_),
                wanted=rollout.wanted,
                attempts=rollout.attempts.get(id_, ()),
                restart=rollout.restart,
                expected=own.facts.fingerprint if own is not None and hub.tls.config is not None else "",
                served=rollout.served.get(id_, ""),
            )
            for id_ in {*known, *rollout.loaded}
        }

    async def _reload(self, hub: HubRuntime, server: Loaded) -> bool:
        """Ask a server that is behind to read its files again, when it is time for that; tell whether it was asked."""
        rollout, now = hub.tls.rollout, self._clock()
        attempts = rollout.attempts.setdefault(server.id, [])
        if server.digest == rollout.wanted:
            return False
        if now < reload_due(attempts, written_at=rollout.written_at, version=server.version):
            return False
        error = await reload(hub.connection, server.id)
        attempts.append(Attempt(self._clock(), error))
        log.info("reload asked for", hub=str(hub.key), server=server.name, error=error, action="reload")
        return True

    async def _see_served(self, hub: HubRuntime) -> None:
        """See which certificate each client listener serves, of those that can be reached."""
        rollout, loop, tls = hub.tls.rollout, asyncio.get_running_loop(), hub.tls.client_tls()
        settings = hub.tls.settings
        on = settings is not None and "client" in settings.listeners and hub.tls.config is not None
        if not on or tls is None or hub.spec is None or loop.time() < rollout.serve_due:
            return
        if not all(isinstance(state, Current | Overruled) for state in rollout.states.values()):
            return
        try:
            context = tls.context()
        except UnusableTlsError as error:
            log.warning("certificate cannot be used", hub=str(hub.key), error=str(error), action="connect")
            return
        context.check_hostname = False  # which server it is counts here; whoever connects checks its name
        urls = {*hub.spec.nats.servers, *(f"nats://{a}" for one in rollout.loaded.values() for a in one.addresses)}
        # All at once: some may be out of reach from here, and revocations wait for this to end.
        looks = (
            served(url, context=context, handshake_first=tls.handshake_first, seconds=_HANDSHAKE_SECONDS)
            for url in sorted(urls)
        )
        for seen in await asyncio.gather(*looks):
            if seen.server_id and seen.fingerprint:
                rollout.served[seen.server_id] = seen.fingerprint
        rollout.serve_due = loop.time() + _SERVED_SECONDS
        await self._look(hub)
