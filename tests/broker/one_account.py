"""An operator with one account, as small as a server takes it: what the operator's own core makes is larger."""

import os
import time
from dataclasses import dataclass, field

from iotsec.decide.advisories import Issuers
from iotsec.decide.ledger import Ledger
from iotsec.nats import creds, jwt
from iotsec.nats.claims import AccountClaims, OperatorClaims, UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey
from iotsec.nats.server_config import server_conf


def new_key(kind: KeyType) -> SigningKey:
    return SigningKey.generate(kind, os.urandom(32))


@dataclass(frozen=True)
class Trust:
    """An operator with a system account and one more, each with one signing key."""

    operator: SigningKey = field(default_factory=lambda: new_key(KeyType.OPERATOR))
    operator_signing: SigningKey = field(default_factory=lambda: new_key(KeyType.OPERATOR))
    system: SigningKey = field(default_factory=lambda: new_key(KeyType.ACCOUNT))
    system_signing: SigningKey = field(default_factory=lambda: new_key(KeyType.ACCOUNT))
    account: SigningKey = field(default_factory=lambda: new_key(KeyType.ACCOUNT))
    signer: SigningKey = field(default_factory=lambda: new_key(KeyType.ACCOUNT))
    issued_at: int = field(default_factory=lambda: int(time.time()))

    def config(self, *, tls: str = "", metadata: str = "") -> dict[str, bytes]:
        """What a server mounts."""
        claims = OperatorClaims(
            signing_keys=(self.operator_signing.public,),
            system_account=self.system.public,
            strict_signing_key_usage=True,
        )
        operator = jwt.encode(claims, self.operator, subject=self.operator.public, issued_at=self.issued_at)
        system = self.account_jwt(self.system, self.system_signing)
        conf = server_conf(
            operator_jwt=operator,
            system_account=self.system.public,
            system_account_jwt=system,
            tls=tls,
            metadata=metadata,
        )
        return {"server.conf": conf.encode()}

    def account_jwt(self, account: SigningKey, signer: SigningKey) -> str:
        claims = AccountClaims(signing_keys=(signer.public,))
        return jwt.encode(claims, self.operator_signing, subject=account.public, issued_at=self.issued_at)

    def user_jwt(self, key: SigningKey, account: SigningKey, signer: SigningKey, name: str = "") -> str:
        now = int(time.time())
        claims = UserClaims(issuer_account=account.public, limits=UserPermissionLimits())
        return jwt.encode(claims, signer, subject=key.public, name=name, issued_at=now, expires_at=now + 600)

    def mint(self) -> bytes:
        """Creds of a system-account user."""
        key = new_key(KeyType.USER)
        return creds.format_creds(self.user_jwt(key, self.system, self.system_signing), key)

    def device(self, key: SigningKey, *, signer: SigningKey | None = None) -> str:
        """Creds of a user of the account; signed by somebody else perhaps."""
        token = self.user_jwt(key, self.account, signer or self.signer, "weather-01")
        return creds.format_creds(token, key).decode()

    def issuers(self) -> Issuers:
        return Issuers({self.account.public: Ledger()}, {self.signer.public: self.account.public})
