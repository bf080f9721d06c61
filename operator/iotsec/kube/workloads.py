"""Restarts the workloads of Modules: one annotation of a pod template, and nothing else of them, is ours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import structlog

from iotsec.decide.conditions import RESTART_PENDING, reason_of
from iotsec.decide.plan import Plan
from iotsec.decide.views import Declared
from iotsec.decide.workload import RETRY_SECONDS, without_restart
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError, NotFoundError
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.keys import Key
from iotsec.kube.kinds import IDENTITY_KINDS
from iotsec.kube.resources import Resource

log = structlog.get_logger()

_KINDS = {kind: Resource("apps", "v1", f"{kind.lower()}s", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet")}
_REFUSED = {403, 422}


class Workloads:
    """Carries out the restarts that were decided on."""

    def __init__(self, client: Client, events: EventRecorder, *, clock: Callable[[], int]) -> None:
        self._client = client
        self._events = events
        self._clock = clock

    async def restart(self, key: Key, identity: Declared, plan: Plan) -> Plan:
        """Restart what the plan says; return the plan with what came of it in its status.

        Raises:
            ApiError: it cannot be done now.

        """
        restart = plan.restart
        if restart is None or plan.status is None:
            return plan
        refusal = ""
        try:
            await self._client.merge_patch(_KINDS[restart.kind], key.namespace, restart.name, restart.to_patch())
        except NotFoundError:
            pass
        except ApiError as error:
            if error.code not in _REFUSED:
                raise
            refusal = str(error)
        else:
            log.info("workload restarted", object=str(key), workload=str(restart), action="restart")
            note = f"{restart} is restarted: its credentials were replaced at {restart.mark}"
            self._tell(key, identity, "Normal", "Restarted", note)
            return plan
        now = self._clock()
        status = without_restart(plan.status, identity, restart, refusal=refusal, now=now)
        reason = reason_of(status, RESTART_PENDING)
        if reason_of(identity.status, RESTART_PENDING) != reason:
            message = next(c["message"] for c in status["conditions"] if c["type"] == RESTART_PENDING)
            self._tell(key, identity, "Warning", reason, message)
        again = now + RETRY_SECONDS
        return replace(plan, status=status, due=min(again, plan.due) if plan.due is not None else again)

    def _tell(self, key: Key, identity: Declared, kind: Literal["Normal", "Warning"], reason: str, note: str) -> None:
        self._events.record(
            Event(
                key=key,
                api_version=IDENTITY_KINDS[key.kind].resource.api_version,
                uid=identity.uid,
                type=kind,
                reason=reason,
                note=note,
                action="Restart",
            )
        )
