"""What the servers are told to trust: the operator's and the system account's JWTs, and the config that names them."""

from collections.abc import Mapping

from iotsec.decide.trust import TrustRoot
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, OperatorClaims
from iotsec.nats.server_config import server_conf

SYSTEM_ACCOUNT = "SYS"


def operator_token(trust: TrustRoot, *, name: str, issued_at: int) -> str:
    """Sign the operator JWT: strict, with its signing keys and the system account."""
    claims = OperatorClaims(
        signing_keys=tuple(key.public for key in trust.operator_signing),
        system_account=trust.system.public,
        strict_signing_key_usage=True,
    )
    return jwt.encode(claims, trust.operator, subject=trust.operator.public, name=name, issued_at=issued_at)


def system_claims(trust: TrustRoot) -> AccountClaims:
    """Return the system account's claims."""
    return AccountClaims(signing_keys=tuple(key.public for key in trust.system_signing))


def system_token(trust: TrustRoot, *, issued_at: int) -> str:
    """Sign the system account's JWT."""
    return jwt.encode(
        system_claims(trust),
        trust.account_signer,
        subject=trust.system.public,
        name=SYSTEM_ACCOUNT,
        issued_at=issued_at,
    )


def nats_config(trust: TrustRoot, *, name: str, existing: Mapping[str, bytes], now: int) -> dict[str, bytes]:
    """Return the data of ``<hub>-nats-config``, byte for byte as it was while what it says has not changed.

    A changed operator JWT needs a restart of every server, so an unchanged one keeps its ``iat``.
    """
    issued_at = _issued_at(existing.get("operator.jwt"), default=now)
    operator_jwt = operator_token(trust, name=name, issued_at=issued_at)
    system_jwt = system_token(trust, issued_at=issued_at)
    if operator_jwt.encode() != existing.get("operator.jwt") and issued_at != now:
        operator_jwt = operator_token(trust, name=name, issued_at=max(now, issued_at + 1))
        system_jwt = system_token(trust, issued_at=max(now, issued_at + 1))
    conf = server_conf(operator_jwt=operator_jwt, system_account=trust.system.public, system_account_jwt=system_jwt)
    empty = {f"{listener}.conf": b"" for listener in ("cluster", "leafnodes", "gateway", "mqtt", "websocket")}
    return {"server.conf": conf.encode(), "operator.jwt": operator_jwt.encode(), **empty}


def system_jwt_of(config: Mapping[str, bytes], trust: TrustRoot) -> str:
    """Return the system account's JWT that goes with this config."""
    return system_token(trust, issued_at=_issued_at(config.get("operator.jwt"), default=0))


def _issued_at(token: bytes | None, *, default: int) -> int:
    if not token:
        return default
    try:
        return jwt.decode(token.decode()).issued_at
    except (jwt.InvalidToken, UnicodeDecodeError):
        return default
