"""The least of an operator's work: a Secret with which a nats-server starts."""

import base64
import json
import os

import nkeys
import pytest

UNLIMITED = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1}


def key_pair(prefix: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))


def public(key: nkeys.KeyPair) -> str:
    return key.public_key.decode()


def token(issuer: nkeys.KeyPair, subject: str, claims: dict[str, object]) -> str:
    """The least that nats-server takes for a JWT."""
    header = {"typ": "JWT", "alg": "ed25519-nkey"}
    body = {"jti": subject, "iat": 1, "iss": public(issuer), "sub": subject, "nats": {"version": 2, **claims}}
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, body))
    return f"{text.decode()}.{base64.urlsafe_b64encode(issuer.sign(text)).rstrip(b'=').decode()}"


@pytest.fixture(scope="session")
def secret() -> dict[str, bytes]:
    operator, system = key_pair(nkeys.PREFIX_BYTE_OPERATOR), key_pair(nkeys.PREFIX_BYTE_ACCOUNT)
    operator_jwt = token(operator, public(operator), {"type": "operator", "system_account": public(system)})
    system_jwt = token(operator, public(system), {"type": "account", "limits": UNLIMITED})
    config = [
        f"operator: {operator_jwt}",
        f"system_account: {public(system)}",
        f"resolver_preload {{ {public(system)}: {system_jwt} }}",
    ]
    return {"server.conf": "\n".join(config).encode(), "cluster.conf": b"", "websocket.conf": b""}
