"""Taking a deployment over: what its owner gives, what the Hub says, and what whoever steals our keys makes of them."""

import json
import os
import time
from base64 import b64encode

from iotsec.nats import creds, jwt
from iotsec.nats.claims import AccountClaims, UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, Seed, SigningKey
from testbed.existing_trust import ExistingTrust
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User


def give(
    user: User,
    trust: ExistingTrust,
    *,
    operator: tuple[str, str] = ("op", "seed"),
    system: tuple[str, str] = ("sys", "sys.creds"),
) -> None:
    """Put what the owner of the trust root has into Secrets, by their names and keys."""
    for (name, key), value in ((operator, trust.operator_signing_seed), (system, trust.system_creds)):
        user.create("Secret", name, data={key: b64encode(value.encode()).decode()})


def adopt(user: User, servers: NatsServer | NatsCluster, *accounts: str, hub: str = "plant") -> None:
    """Apply a Hub that takes the trust root over."""
    existing = {
        "operatorSigningKeySecretRef": {"name": "op", "key": "seed"},
        "systemCredentialsSecretRef": {"name": "sys", "key": "sys.creds"},
    }
    urls = servers.urls if isinstance(servers, NatsCluster) else [servers.url]
    named = [{"name": name} for name in accounts or ("mir",)]
    user.apply_hub(hub, urls, trust={"existing": existing}, accounts=named)


def take_over(user: User, server: NatsServer, trust: ExistingTrust, *accounts: str) -> Object:
    """Give a Hub what it needs, and wait until it works."""
    give(user, trust)
    adopt(user, server, *accounts)
    return user.wait_ready("Hub", "plant")


def claims_of(token: str) -> AccountClaims:
    claims = jwt.decode(token).claims
    assert isinstance(claims, AccountClaims)
    return claims


def forged(user: User, account: str, name: str = "account.mir.unscoped") -> str:
    """Creds of whoever stole one of our signing keys from the Hub's Secret."""
    signer = SigningKey.from_seed(Seed(user.wait_secret("plant-signing-keys")[name]))
    key = SigningKey.generate(KeyType.USER, os.urandom(32))
    token = jwt.encode(
        UserClaims(issuer_account=account, limits=UserPermissionLimits()),
        signer,
        subject=key.public,
        issued_at=int(time.time()),
    )
    return creds.format_creds(token, key).decode()


def pushes(operator: Operator, account: str) -> int:
    """How often the operator has pushed an account."""
    lines = (json.loads(line) for line in operator.log.read_text().splitlines() if f'"{account}"' in line)
    return sum(line["event"] == "account pushed" for line in lines)
