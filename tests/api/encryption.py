"""Hubs whose JetStream encrypts what it stores, and what is refused in them."""

from typing import Any

from api.identities import TRUST
from api.objects import SERVERS, Json, Refused, hub


def encrypted(**fields: Any) -> Json:
    return hub(nats={"servers": SERVERS, "encryptionAtRest": fields})


ACCEPTED: dict[str, Json] = {
    "a hub that encrypts at rest": encrypted(),
    "a hub that encrypts at rest with AES": encrypted(cipher="AES"),
}

REFUSED: tuple[Refused, ...] = (
    Refused(
        "encryption at rest of servers that are configured elsewhere",
        encrypted() | {"spec": encrypted()["spec"] | {"trust": TRUST}},
        "spec",
        "leave encryptionAtRest out",
    ),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused(
        "a cipher that nats-server does not know",
        encrypted(cipher="Rot13"),
        "spec.nats.encryptionAtRest.cipher",
        'supported values: "ChaCha", "AES"',
    ),
)
