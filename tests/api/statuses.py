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
    "certificate": {
        "secretName": "weather-01-device-tls",
        "serial": "4f00b2",
        "issuer": "8e2f",
        "issuedAt": "2030-01-31T12:00:00Z",
        "expiresAt": "2030-05-01T12:00:00Z",
        "renewalTime": "2030-04-01T12:00:00Z",
        "revision": 4,
    },
    "foreignCertificate": {
        "subject": "CN=weather-02",
        "owner": "Device iot/weather-02",
        "lastSeen": "2030-02-01T12:00:00Z",
    },
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
    "encryptionAtRest": {
        "phase": "RestartNeeded",
        "message": "restart every server",
        "cipher": "ChaCha",
        "keyId": "0f1e2d3c",
        "servers": [{"name": "nats-0", "current": False}],
    },
}

OF_A_POLICY: Json = {
    "observedGeneration": 1,
    "conditions": [READY],
    "authorities": [
        {
            "id": "1a2b",
            "keyId": "8e2f",
            "subject": "CN=plant.iot CA 1",
            "state": "Current",
            "expiresAt": "2035-01-31T12:00:00Z",
        },
        {
            "id": "3c4d",
            "keyId": "91c0",
            "subject": "CN=plant.iot CA 2",
            "state": "Next",
            "expiresAt": "2040-01-31T12:00:00Z",
        },
    ],
    "certificates": [
        {
            "name": "server",
            "secretName": "plant-server-tls",
            "serial": "4f00b2",
            "issuer": "8e2f",
            "issuedAt": "2030-01-31T12:00:00Z",
            "expiresAt": "2030-05-01T12:00:00Z",
            "renewalTime": "2030-04-01T12:00:00Z",
        }
    ],
    "rotation": {"phase": "Trust", "since": "2030-01-31T12:00:00Z", "message": "2 Secrets have yet to get it"},
    "servers": [
        {
            "name": "nats-0",
            "version": "2.15.1",
            "state": "Waiting",
            "message": "it is being reloaded, once it has the file",
            "served": "0f1e2d3c",
        }
    ],
    "restart": {
        "since": "2030-01-31T12:00:00Z",
        "reason": "TLS of websocket was switched on: restart it",
        "listeners": ["websocket"],
        "servers": ["NB3KWYDBXUSRZVKPKXVPVHZVBRLTEAHWSPVZZHY2DWBJ3TXZQFXSZRTS"],
    },
    "consumers": {"total": 3, "bundle": 2, "certificate": 1},
    "expiresAt": "2035-01-31T12:00:00Z",
    "rotated": ["2030-01-31", "after the fair"],
}

STATUSES: dict[str, Json] = {
    "Hub": OF_A_HUB,
    "Device": OF_AN_IDENTITY,
    "Module": OF_AN_IDENTITY | {"restartedAt": "2030-01-31T12:00:05Z"},
    "Client": OF_AN_IDENTITY,
    "TLSPolicy": OF_A_POLICY,
}
