"""An account of somebody else that says everything an account can say, and our part in it."""

import base64
import json
from typing import Any

from iotsec.decide.account import AccountDefinition, AccountKeys, AccountToken, issue_account
from iotsec.decide.adoption import adopted_from
from iotsec.decide.ledger import Ledger
from iotsec.nats.claims import UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey

NOW = 1_800_000_000


def key(kind: KeyType, number: int) -> SigningKey:
    return SigningKey.generate(kind, bytes([number]) * 32)


OPERATOR = key(KeyType.OPERATOR, 1)
ACCOUNT, OTHER_ACCOUNT = (key(KeyType.ACCOUNT, n).public for n in (2, 3))
THEIR_KEY, THEIR_SCOPE = (key(KeyType.ACCOUNT, n).public for n in (4, 5))
THEIR_USER, OUR_USER = (key(KeyType.USER, n).public for n in (6, 7))
KEYS = AccountKeys(
    name="mir",
    public=ACCOUNT,
    seal=key(KeyType.ACCOUNT, 8),
    unscoped=(key(KeyType.ACCOUNT, 9),),
    scoped={"device": (key(KeyType.ACCOUNT, 10),)},
)
ROLES = {"device": UserPermissionLimits()}
OURS = KEYS.every_signer()

SCOPE = {
    "kind": "user_scope",
    "key": THEIR_SCOPE,
    "role": "made",
    "template": {"pub": {"allow": ["z.>", "a.>"]}, "sub": {}, "subs": 5, "bearer_token": True},
    "description": "in no order",
}
EVERYTHING: dict[str, Any] = {
    "imports": [{"name": "in", "subject": "x.>", "account": OTHER_ACCOUNT, "local_subject": "y.>", "type": "stream"}],
    "exports": [
        {
            "name": "out",
            "subject": "s.*",
            "type": "service",
            "token_req": True,
            "revocations": {OTHER_ACCOUNT: 5},
            "response_type": "Stream",
            "response_threshold": 10**9,
            "service_latency": {"sampling": "headers", "results": "latency"},
            "account_token_position": 2,
            "advertise": True,
            "description": "a service",
            "info_url": "https://example.com/s",
        }
    ],
    "limits": {"subs": 7, "data": -1, "payload": -1, "imports": 3, "exports": -1, "conn": 9, "leaf": -1}
    | {"mem_storage": 1, "disk_storage": 2, "streams": 3, "consumer": 4, "max_ack_pending": 5}
    | {"mem_max_stream_bytes": 6, "disk_max_stream_bytes": 7, "max_bytes_required": True, "disallow_bearer": True},
    "signing_keys": [THEIR_KEY, SCOPE],
    "revocations": {THEIR_USER: NOW - 9, "*": 3},
    "default_permissions": {"pub": {"allow": ["b", "a"]}, "sub": {"deny": ["c"]}, "resp": {"max": 2, "ttl": 9}},
    "mappings": {"from": [{"subject": "to.1", "weight": 40}, {"subject": "to.2", "weight": 60, "cluster": "east"}]},
    "authorization": {"auth_users": [THEIR_USER], "allowed_accounts": ["*"], "xkey": key(KeyType.CURVE, 11).public},
    "trace": {"dest": "trace", "sampling": 5},
    "cluster_traffic": "owner",
    "description": "made by hand",
    "info_url": "https://example.com",
    "tags": ["site:lab"],
    "type": "account",
    "version": 2,
}


def signed(body: dict[str, Any], **envelope: Any) -> str:
    """A JWT that says this to the letter, as somebody else's tool would write it."""
    payload = {"iat": NOW, "iss": OPERATOR.public, "name": "mir", "sub": ACCOUNT, **envelope, "nats": body}
    parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, payload)
    message = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return (message + b"." + base64.urlsafe_b64encode(OPERATOR.sign(message)).rstrip(b"=")).decode()


def said_in(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def adopted(**envelope: Any) -> Ledger:
    """The ledger of the account that says everything, as it was taken over."""
    record = adopted_from(signed(EVERYTHING, **envelope))
    return Ledger(issued_at=record.issued_at, adopted=record)


def issue(ledger: Ledger, *, now: int = NOW, keys: AccountKeys = KEYS) -> AccountToken:
    """Issue the account as it is to be, with what it said before."""
    assert ledger.adopted is not None
    wanted = AccountDefinition(keys, ROLES, ledger.adopted.claims)
    return issue_account(wanted, ledger=ledger, signer=OPERATOR, now=now)


def sorted_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: sorted_lists(entry) for name, entry in value.items()}
    return sorted(map(sorted_lists, value), key=str) if isinstance(value, list) else value
