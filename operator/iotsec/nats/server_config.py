"""The part of nats-server's configuration that says whom a server trusts (operator mode)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from iotsec.nats.claims import AccountClaims, OperatorClaims
from iotsec.nats.jwt import InvalidToken, decode
from iotsec.nats.keys import KeyType, check_public_key

_TEXT = """\
# Whom this server trusts: the operator, and its system account.
# Managed by iot-security-operator: changes made here are overwritten.
# Include it at the top level of nats.conf, beside a `resolver` of type full.
operator: {operator_jwt}
system_account: {system_account}
resolver_preload: {{
  {system_account}: {system_account_jwt}
}}
"""

_HEADER = """\
# How this server is encrypted.
# Managed by iot-security-operator: changes made here are overwritten.
# Include it at the top level of nats.conf.
"""

METADATA_KEY = "iotsec_config"
"""What a server's metadata calls the `config_digest` of the configuration that it has loaded (VARZ, ``metadata``)."""
# In these letters, which nats-server does not tell from others: one block of each spelling counts, so that this one
# and a `server_metadata` of the user's own are both read (opts.go, processConfigFileLine; seen on 2.15.1).
_METADATA = "Server_Metadata: "
_DIGEST_DIGITS = 12


def server_conf(
    *, operator_jwt: str, system_account: str, system_account_jwt: str, tls: str = "", metadata: str = ""
) -> str:
    """The text of `server.conf`, the same for the same arguments.

    A server that has no account yet reads the system account from here, and all others from its resolver. The tokens
    are checked: a server refuses to start with a wrong one. `tls` is what `tls_config` writes for the client listener,
    `metadata` the `config_digest` that running servers will tell. Raises `InvalidToken` or `InvalidKey`.
    """
    check_public_key(system_account, KeyType.ACCOUNT)
    if not isinstance(decode(operator_jwt).claims, OperatorClaims):
        raise InvalidToken("operator_jwt is no operator JWT: write the one of the operator that signs the accounts")
    preloaded = decode(system_account_jwt)
    if not isinstance(preloaded.claims, AccountClaims) or preloaded.subject != system_account:
        raise InvalidToken("system_account_jwt is not the account JWT of system_account: write the JWT of that account")
    trust = _TEXT.format(
        operator_jwt=operator_jwt, system_account=system_account, system_account_jwt=system_account_jwt
    )
    return trust + tls + _told(metadata)


def encryption_conf(*, tls: str = "", metadata: str = "") -> str:
    """The text of `server.conf` for servers that somebody else tells whom to trust; arguments as of `server_conf`."""
    return _HEADER + tls + _told(metadata)


def _told(metadata: str) -> str:
    return f'{_METADATA}{{ {METADATA_KEY}: "{metadata}" }}\n' if metadata else ""


def config_digest(files: Mapping[str, bytes]) -> str:
    """What names a revision of the configuration: 12 hex digits over all `.conf` files, without the metadata line.

    It covers the certificates, too: their files are named by what is in them.
    """
    digest = hashlib.sha256()
    for name in sorted(name for name in files if name.endswith(".conf")):
        lines = files[name].splitlines(keepends=True)
        text = b"".join(line for line in lines if not line.startswith(_METADATA.encode()))
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:_DIGEST_DIGITS]
