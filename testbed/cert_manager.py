"""A stand-in for cert-manager: approves CertificateRequests, answers them as its CA issuer does or as it is told."""

import http.client
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from testbed.api import Api, RequestRefusedError
from testbed.issuer import Behaviour, Issuer, condition

_GROUP = "/apis/cert-manager.io/v1"
_MERGE = "application/merge-patch+json"
_WATCH_SECONDS = 1  # how long the end of the block may have to wait
_RETRY_SECONDS = 0.1
_PASSING = {
    HTTPStatus.NOT_FOUND,  # not installed, or a request was deleted meanwhile
    HTTPStatus.CONFLICT,  # what the watch told is not the latest
    HTTPStatus.TOO_MANY_REQUESTS,  # just installed
}
_APPROVED = {
    "conditions": [
        condition("Approved", "True", "cert-manager.io", "Certificate request has been approved by cert-manager.io")
    ]
}


class CertManager:
    """Answers the CertificateRequests of an API server while the `with` block runs; their definition may come later."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._issuers: dict[tuple[str, str], Issuer] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cert-manager", daemon=True)
        self._failures: list[Exception] = []

    def issuer(self, name: str, namespace: str = "", *, behaviour: Behaviour = Behaviour.SIGN) -> Issuer:
        """Add an Issuer, or a ClusterIssuer where there is no namespace, with a CA of its own.

        Requests that wait for one of its name are answered within a second.
        """
        self._issuers[namespace, name] = issuer = Issuer(behaviour=behaviour)
        return issuer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for request in self._requests():
                    self._answer(request)
            except RequestRefusedError as error:
                if error.status not in _PASSING:
                    self._failures.append(error)
                self._stopping.wait(_RETRY_SECONDS)
            except (OSError, http.client.HTTPException):
                self._stopping.wait(_RETRY_SECONDS)  # the API server is away
            except Exception as error:  # noqa: BLE001 - the end of the block raises it
                self._failures.append(error)
                return

    def _requests(self) -> Iterator[dict[str, Any]]:
        """All requests there are, then those that come or change, for a second."""
        for event in self._api.watch(f"{_GROUP}/certificaterequests?watch=1&timeoutSeconds={_WATCH_SECONDS}"):
            if self._stopping.is_set():
                return
            if event["type"] in {"ADDED", "MODIFIED"}:
                yield event["object"]

    def _answer(self, request: dict[str, Any]) -> None:
        """Make one step, as each of cert-manager's controllers does: the next one comes with the event of this."""
        told = {one["type"]: one for one in request.get("status", {}).get("conditions", ())}
        if told.keys() & {"Denied", "InvalidRequest"} or told.get("Ready", {}).get("reason") in {"Issued", "Failed"}:
            return
        kind, name = request["spec"]["issuerRef"].get("kind", "Issuer"), request["spec"]["issuerRef"]["name"]
        issuer = self._issuers.get(("" if kind == "ClusterIssuer" else request["metadata"]["namespace"], name))
        if issuer is not None and issuer.behaviour is Behaviour.STAY_SILENT:
            return
        if issuer is not None and issuer.behaviour is Behaviour.DENY:
            self._tell(request, told, issuer.answer(request))
        elif "Approved" not in told:
            self._tell(request, told, _APPROVED)
        elif issuer is not None:
            self._tell(request, told, issuer.answer(request))
        elif "Ready" not in told:
            missing = f'{kind.lower()}.cert-manager.io "{name}" not found'
            pending = condition("Ready", "False", "Pending", f'Referenced "{kind}" not found: {missing}')
            self._tell(request, told, {"conditions": [pending]})

    def _tell(self, request: dict[str, Any], told: dict[str, dict[str, Any]], status: dict[str, Any]) -> None:
        """Write a status; conditions stay that were told before."""
        told |= {one["type"]: one | {"lastTransitionTime": _now()} for one in status["conditions"]}
        metadata = request["metadata"]
        path = f"{_GROUP}/namespaces/{metadata['namespace']}/certificaterequests/{metadata['name']}/status"
        version = {"resourceVersion": metadata["resourceVersion"]}  # what was answered meanwhile is not answered again
        body = {"metadata": version, "status": status | {"conditions": [*told.values()]}}
        self._api.request("PATCH", path, body, content_type=_MERGE)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 (the API server's clock is the same)
