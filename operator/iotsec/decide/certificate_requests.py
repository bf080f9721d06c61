"""CertificateRequests of cert-manager: what they say of an order, and what their status says of the answer.

cert-manager signs what a request (PKCS#10) asks for, so that its names and usages must be the ordered ones; whoever
may write a CertificateRequest's status may answer, so that no answer is used unread.
"""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Any

from iotsec.api.meta import API_VERSION
from iotsec.api.meta import GROUP as API_GROUP
from iotsec.decide import names
from iotsec.decide.orders import Answer, Order, OrderState
from iotsec.decide.secrets import Owner
from iotsec.decide.times import rfc3339
from iotsec.x509.answers import AnswerRefusedError, check_answer
from iotsec.x509.requests import RequestRefusedError
from iotsec.x509.wishes import read_wishes, sides

GROUP, VERSION, KIND = "cert-manager.io", "v1", "CertificateRequest"
COMPONENT = "certificate-request"
SELECTOR = f"{'='.join(names.MANAGED_BY)},{names.COMPONENT}={COMPONENT}"

NOT_INSTALLED = (
    "cert-manager is not installed: no CertificateRequest can be made; install it with its CustomResourceDefinitions, "
    "or choose another issuer"
)
ORDER = f"{API_GROUP}/order"
"""On a CertificateRequest: whom it is for, for those who look."""

DELETED = "somebody deleted the CertificateRequest before it was answered"
SILENCE_SECONDS = 60
"""After so many it is said that nobody answers."""

_BACK_OFF = (60, 3600)
"""Seconds until a refused order is placed again: at first, doubling, and at most."""
_NAME_LENGTH = 253
_MESSAGE_LENGTH = 512
_FINAL_REASONS = {"Failed", "Denied"}


def request_name(owner: str, order: Order, *, now: int) -> str:
    """Return the name of a CertificateRequest; a later one for the same order has another."""
    digest = hashlib.sha256(f"{owner} {order.wanted} {now} ".encode() + order.request).hexdigest()[:12]
    return f"{owner[: _NAME_LENGTH - len(digest) - 1].rstrip('-.')}-{digest}"


def manifest(
    order: Order, *, namespace: str, name: str, owner: Owner | None, annotations: Mapping[str, str]
) -> dict[str, Any]:
    """Return the CertificateRequest for an order; it goes with its owner, who must be in its namespace.

    Raises:
        RequestRefusedError: the request cannot be read.

    """
    wishes = read_wishes(order.request, order.usage)
    managed_by, us = names.MANAGED_BY
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {managed_by: us, names.COMPONENT: COMPONENT},
            "annotations": dict(annotations),
            "ownerReferences": [_reference(owner)] if owner is not None else [],
        },
        "spec": {
            "request": b64encode(order.request).decode(),
            "issuerRef": {"group": order.issuer.group, "kind": order.issuer.kind, "name": order.issuer.name},
            "duration": f"{order.duration}s",
            # cert-manager refuses what differs from the extensions of the request, in their order too: pki.csr.go.
            "usages": [
                *(usage.replace("_", " ") for usage in wishes.key_usages),
                *(f"{side} auth" for side in wishes.purposes or sides(order.usage)),
            ],
            "isCA": False,
        },
    }


def obstacle(order: Order) -> str:
    """Tell why an issuer would not sign what is ordered; empty where it may."""
    try:
        wishes = read_wishes(order.request, order.usage)
    except RequestRefusedError as error:
        return str(error)
    if wishes.are_for(order.names, order.usage):
        return ""
    alternative_names = ", ".join(str(name.value) for name in order.names.alternative_names)
    return (
        "issuers of cert-manager sign the names that a request asks for: make the request with the common name "
        f"{order.names.common_name!r} alone, exactly the alternative names {alternative_names or '(none)'}, and no "
        f"other extended key usage than {order.usage} authentication"
    )


def answer(order: Order, body: Mapping[str, Any], *, placed_at: int, now: int) -> Answer:
    """Return what became of an order whose CertificateRequest is so; instants in unix seconds."""
    status = body.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    for kind in ("Denied", "InvalidRequest"):
        if conditions.get(kind, {}).get("status") == "True":
            return refused(order, _words(conditions[kind]) or _words(ready) or kind)
    if ready.get("status") == "True":
        return _checked(order, status, now=now)
    if ready.get("reason") in _FINAL_REASONS or status.get("failureTime"):
        return refused(order, _words(ready) or "it failed, and does not say why")
    return Answer(message=_waits_for(order, body, conditions, placed_at=placed_at, now=now))


def refused(order: Order, why: str) -> Answer:
    """Return the answer of an issuer that does not sign, or not what was ordered."""
    return Answer(OrderState.REFUSED, f"{_called(order)}: {why}"[:_MESSAGE_LENGTH])


def back_off(refusals: int) -> int:
    """Return the seconds until an order is placed again that was refused so often, once or more."""
    first, most = _BACK_OFF
    return min(most, first << min(refusals - 1, most.bit_length()))


def _checked(order: Order, status: Mapping[str, Any], *, now: int) -> Answer:
    try:
        signed = check_answer(
            b64decode(status.get("certificate") or ""),
            b64decode(status.get("ca") or ""),
            names=order.names,
            usage=order.usage,
            public=read_wishes(order.request, order.usage).public,
            now=now,
        )
    except (AnswerRefusedError, RequestRefusedError) as error:
        return refused(order, str(error))
    except NotBase64:
        return refused(order, "the certificate is not base64")
    return Answer(
        OrderState.SIGNED if signed.starts_at <= now else OrderState.OPEN,
        "" if signed.starts_at <= now else f"the certificate is not valid before {rfc3339(signed.starts_at)}",
        certificate=signed.certificate,
        root=signed.root,
        starts_at=signed.starts_at,
        expires_at=signed.expires_at,
    )


def _waits_for(
    order: Order, body: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]], *, placed_at: int, now: int
) -> str:
    words = _words(conditions.get("Ready") or {})
    if words:  # such as that there is no such issuer, which cert-manager waits for
        return f"{_called(order)}: {words}"[:_MESSAGE_LENGTH]
    if now < placed_at + SILENCE_SECONDS:
        return f"{_called(order)} is being asked"
    name = f"CertificateRequest {body['metadata']['namespace']}/{body['metadata']['name']}"
    if conditions.get("Approved", {}).get("status") == "True":
        return f"{_called(order)} has not answered {name} since {rfc3339(placed_at)}: see whether its controller runs"
    return f"nobody has approved {name} since {rfc3339(placed_at)}: see whether cert-manager, or your approver, runs"


def _words(condition: Mapping[str, Any]) -> str:
    return str(condition.get("message") or condition.get("reason") or "")


def _called(order: Order) -> str:
    return f"{order.issuer.kind} {order.issuer.name}"


def _reference(owner: Owner) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": owner.kind, "name": owner.name, "uid": owner.uid}
