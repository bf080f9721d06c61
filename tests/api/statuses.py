"""Statuses with every field, as the operator writes them."""

from api.objects import USER_KEY, Json

READY = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": "2030-01-31T12:00:00Z",
    "reason": "Issued",
    "message": "The credentials work until 2999",
}

OF_AN_IDENTITY: Json = {
    "observedGeneration": 1,
    "conditions": [READY],
    "id": "weather-01",
    "account": "iot",
    "publicKey": USER_KEY,
    "role": "device",
    "secretName": "weather-01-device-creds",
    "issuedAt": "2030-01-31T12:00:00Z",
    "expiresAt": "2999-03-02T12:00:00Z",
    "renewalTime": "2999-02-20T12:00:00Z",
    "keyIssuedAt": "2029-01-31T12:00:00Z",
    "formerKeys": [
        {"publicKey": USER_KEY, "issuedAt": "2028-12-31T12:00:00Z", "expiresAt": "2030-03-31T12:00:00Z"},
    ],
    "rotated": ["2030-01-31", "after the fair"],
    "connected": False,
    "lastSeen": "2030-02-01T12:00:00Z",
    "lastDenied": {"time": "2030-02-01T12:00:01Z", "reason": "Authorization Violation", "from": "10.0.0.7:50412"},
    "revision": 3,
}

OF_A_HUB: Json = {
    "observedGeneration": 1,
    "conditions": [READY],
    "operatorPublicKey": "O" + "A" * 55,
    "systemAccountPublicKey": "A" * 56,
    "configSecretName": "plant-nats-config",
    "accounts": [
        {
            "name": "iot",
            "publicKey": "A" * 56,
            "revocations": 2,
            "issuedAt": "2030-01-31T12:00:00Z",
            "distributed": "3/3",
        }
    ],
    "servers": [{"name": "nats-0", "version": "2.15.1", "accountsCurrent": True}],
    "operatorRotation": {
        "phase": "Prepared",
        "message": "restart every server",
        "servers": [{"name": "nats-0", "operatorKeys": "Old"}],
    },
}

STATUSES: dict[str, Json] = {
    "Hub": OF_A_HUB,
    "Device": OF_AN_IDENTITY,
    "Module": OF_AN_IDENTITY | {"restartedAt": "2030-01-31T12:00:05Z"},
    "Client": OF_AN_IDENTITY,
}
