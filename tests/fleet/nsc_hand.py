"""Somebody who goes on working on an existing trust root by hand, as people do with nsc."""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from fleet.key_holder import stored_jwt

from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims
from iotsec.nats.keys import KeyType, Seed, SigningKey
from testbed.clients import connect_as
from testbed.existing_trust import ExistingTrust
from testbed.nats_server import NatsServer

_SECONDS = 5
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


class NscHand:
    """Holds the operator's signing key and the system creds of an existing trust root."""

    def __init__(self, trust: ExistingTrust, server: NatsServer) -> None:
        self._trust = trust
        self._server = server
        self._operator = SigningKey.from_seed(Seed(trust.operator_signing_seed.encode()))

    async def push_edited(self, token: str, *, later: int = 0, **changes: Any) -> str:
        """Change fields of an account's ``nats`` object, sign it as of now or ``later`` (seconds), and push it."""
        payload = payload_of(token)
        payload["nats"] |= changes
        payload["iat"] = max(int(time.time()), payload["iat"] + 1) + later
        return await self.push(payload)

    async def push_account(self, public: str, name: str, **claims: Any) -> str:
        """Push an account that there was not before."""
        body = payload_of(self._trust.account_jwt)["nats"] | claims
        return await self.push({"sub": public, "name": name, "iat": int(time.time()), "nats": body})

    async def push(self, payload: Mapping[str, Any]) -> str:
        """Sign a JWT that says this, to the letter, push it and return it."""
        body = {**payload, "jti": uuid.uuid4().hex.upper(), "iss": self._operator.public}
        message = b".".join(_part(json.dumps(part).encode()) for part in (_HEADER, body))
        token = (message + b"." + _part(self._operator.sign(message))).decode()
        async with connect_as(self._server.url, self._trust.system_creds) as system:
            await system.client.request("$SYS.REQ.CLAIMS.UPDATE", token.encode(), timeout=_SECONDS)
        return token

    def stored(self) -> str:
        """The JWT of `mir` that the server keeps."""
        return stored_jwt(self._server, self._trust.account)


def payload_of(token: str) -> dict[str, Any]:
    """What a JWT says, as it was written."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def user_creds(account: str, signer: SigningKey, *, name: str = "by-hand") -> str:
    """Creds without an end of a user that a scoped signing key signed."""
    key = SigningKey.generate(KeyType.USER, uuid.uuid4().bytes * 2)
    token = jwt.encode(
        UserClaims(issuer_account=account), signer, subject=key.public, name=name, issued_at=int(time.time()) - 1
    )
    return creds.format_creds(token, key).decode()


def _part(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
