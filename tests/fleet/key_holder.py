"""Somebody who has read a Hub's Secrets: signs what its operator could sign, and tells it to the servers."""

import os
import time
from dataclasses import replace

import nats
from nats.aio.client import RawCredentials

from iotsec.nats import creds, jwt
from iotsec.nats.claims import AccountClaims, UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, Seed, SigningKey
from testbed.nats_server import NatsServer
from testbed.user import User


class KeyHolder:
    """Holds the keys of one Hub with one account, `iot`."""

    def __init__(self, user: User, hub: str = "plant") -> None:
        signing, identity = user.wait_secret(f"{hub}-signing-keys"), user.wait_secret(f"{hub}-identity-keys")
        self._operator = SigningKey.from_seed(Seed(signing["operator"]))
        self._system = SigningKey.from_seed(Seed(identity["system"])).public
        self._system_signing = SigningKey.from_seed(Seed(signing["system"]))
        self._unscoped = SigningKey.from_seed(Seed(signing["account.iot.unscoped"]))
        self.account = SigningKey.from_seed(Seed(identity["account.iot"])).public

    def user_creds(self) -> str:
        """Creds of a user of the account whom the operator knows nothing of; may do anything in it."""
        return self._creds(self.account, self._unscoped)

    def system_creds(self, *, seconds: int = 3600) -> bytes:
        """Creds of a system-account user."""
        return self._creds(self._system, self._system_signing, seconds=seconds).encode()

    def reissued(self, token: str, *, later: int, revoked: frozenset[str] | None = None) -> str:
        """The account's JWT again, so many seconds later; with `revoked`, of all its revocations only those."""
        found = jwt.decode(token)
        assert isinstance(found.claims, AccountClaims)
        kept = {key: at for key, at in found.claims.revocations.items() if revoked is None or key in revoked}
        return jwt.encode(
            replace(found.claims, revocations=kept),
            self._operator,
            subject=found.subject,
            name=found.name,
            issued_at=found.issued_at + later,
        )

    async def push(self, server: NatsServer, token: str) -> None:
        """Tell an account JWT to this server, and so to all that it has routes to."""
        connection = await nats.connect(server.url, user_credentials=RawCredentials(self.system_creds().decode()))
        try:
            await connection.request("$SYS.REQ.CLAIMS.UPDATE", token.encode(), timeout=5)
        finally:
            await connection.close()

    def _creds(self, account: str, signer: SigningKey, *, seconds: int = 3600) -> str:
        key = SigningKey.generate(KeyType.USER, os.urandom(32))
        now = int(time.time())
        token = jwt.encode(
            UserClaims(issuer_account=account, limits=UserPermissionLimits()),
            signer,
            subject=key.public,
            name="key-holder",
            issued_at=now,
            expires_at=now + seconds,
        )
        return creds.format_creds(token, key).decode()


def running_jwt(server: NatsServer, account: str) -> str:
    """The JWT this server runs for an account, empty while it runs none."""
    try:
        detail = server.monitor(f"/accountz?acc={account}").get("account_detail") or {}
    except ValueError:  # "Account … does not exist": it is loaded when somebody of it comes
        return ""
    return str(detail.get("jwt", ""))


def stored_jwt(server: NatsServer, account: str) -> str:
    """The JWT in this server's resolver directory, empty where it has none or is writing one."""
    file = server.directory / "resolver" / f"{account}.jwt"
    return file.read_text() if file.exists() else ""


def revocations(token: str) -> dict[str, int]:
    """What an account JWT revokes."""
    claims = jwt.decode(token).claims
    assert isinstance(claims, AccountClaims)
    return dict(claims.revocations)


def issued_at(token: str) -> int:
    """When a JWT says it was issued."""
    return jwt.decode(token).issued_at
