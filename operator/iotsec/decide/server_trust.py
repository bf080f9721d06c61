"""What the servers are told to trust: the operator's and the system account's JWTs, and the config that names them."""

import re
from collections.abc import Callable, Mapping

from iotsec.decide.encryption_at_rest import METADATA_CONF
from iotsec.decide.trust import TrustRoot
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, OperatorClaims
from iotsec.nats.server_config import config_digest, encryption_conf, server_conf
from iotsec.nats.tls_config import TlsConfig

SYSTEM_ACCOUNT = "SYS"

_PRELOAD = re.compile(rb"resolver_preload: \{\s*A\w+: ([\w.-]+)")


def operator_token(trust: TrustRoot, *, name: str, issued_at: int) -> str:
    """Sign the operator JWT: strict, with its signing keys and the system account."""
    claims = OperatorClaims(
        signing_keys=tuple(key.public for key in trust.operator_announced),
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


def nats_config(
    trust: TrustRoot,
    *,
    name: str,
    existing: Mapping[str, bytes],
    now: int,
    tls: TlsConfig | None = None,
    jetstream: bytes = b"",
) -> dict[str, bytes]:
    """Return the data of ``<hub>-nats-config``, byte for byte as it was while what it says has not changed.

    A changed operator JWT needs a restart of every server, so an unchanged one keeps its ``iat``. So does the system
    account's, whose changes are pushed: a server that starts with an empty volume must know its latest keys all the
    same, and one that has a later JWT keeps it (nats-server ``dirstore.go``, saveIfNewer).
    """
    operator_jwt = _kept(existing.get("operator.jwt"), lambda at: operator_token(trust, name=name, issued_at=at), now)
    system_jwt = _kept(_preloaded(existing), lambda at: system_token(trust, issued_at=at), now)

    def written(metadata: str) -> str:
        return server_conf(
            operator_jwt=operator_jwt,
            system_account=trust.system.public,
            system_account_jwt=system_jwt,
            tls=_server_part(tls, jetstream),
            metadata=metadata,
        )

    return _with_metadata({"operator.jwt": operator_jwt.encode(), **_beside(tls, jetstream)}, written)


def adopted_config(tls: TlsConfig | None) -> dict[str, bytes]:
    """Return the same where somebody else made the trust root, and tells the servers of it."""

    def written(metadata: str) -> str:
        return encryption_conf(tls=_server_part(tls, b""), metadata=metadata)

    return _with_metadata(_beside(tls, b""), written)


def revision_of(config: Mapping[str, bytes]) -> str:
    """Return what servers tell that have loaded this configuration; empty where they tell nothing of it."""
    return config_digest(config) if _tells(config) else ""


def _server_part(tls: TlsConfig | None, jetstream: bytes) -> str:
    return (tls.server if tls else "") + (METADATA_CONF if jetstream else "")


def _beside(tls: TlsConfig | None, jetstream: bytes) -> dict[str, bytes]:
    empty = {f"{listener}.conf": b"" for listener in ("cluster", "leafnodes", "gateway", "mqtt", "websocket")}
    return {**empty, "jetstream.conf": jetstream, **(tls.files if tls is not None else {})}


def _with_metadata(files: Mapping[str, bytes], written: Callable[[str], str]) -> dict[str, bytes]:
    """Return the files with ``server.conf``, which names their revision where more than the trust root is in them."""
    plain = {**files, "server.conf": written("").encode()}
    if not _tells(plain):
        return plain
    return {**plain, "server.conf": written(config_digest(plain)).encode()}


def _tells(config: Mapping[str, bytes]) -> bool:
    """Tell whether anything but the trust root is in the configuration: a certificate, or another part of it."""
    return any(
        name.endswith(".crt") or (name.endswith(".conf") and name != "server.conf" and config[name]) for name in config
    )


def system_jwt_of(config: Mapping[str, bytes]) -> str:
    """Return the system account's JWT that is in this config."""
    return (_preloaded(config) or b"").decode()


def _preloaded(config: Mapping[str, bytes]) -> bytes | None:
    found = _PRELOAD.search(config.get("server.conf", b""))
    return found[1] if found else None


def _kept(known: bytes | None, sign: Callable[[int], str], now: int) -> str:
    """Return the JWT that is known where it still says what it should, else a later one."""
    try:
        issued_at = jwt.decode((known or b"").decode()).issued_at
    except (jwt.InvalidToken, UnicodeDecodeError):
        return sign(now)
    token = sign(issued_at)
    return token if token.encode() == known else sign(max(now, issued_at + 1))
