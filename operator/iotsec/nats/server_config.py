"""The part of nats-server's configuration that says whom a server trusts (operator mode)."""

from __future__ import annotations

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


def server_conf(*, operator_jwt: str, system_account: str, system_account_jwt: str) -> str:
    """The text of `server.conf`, the same for the same arguments.

    A server that has no account yet reads the system account from here, and all others from its resolver. The tokens
    are checked: a server refuses to start with a wrong one. Raises `InvalidToken` or `InvalidKey`.
    """
    check_public_key(system_account, KeyType.ACCOUNT)
    if not isinstance(decode(operator_jwt).claims, OperatorClaims):
        raise InvalidToken("operator_jwt is no operator JWT: write the one of the operator that signs the accounts")
    preloaded = decode(system_account_jwt)
    if not isinstance(preloaded.claims, AccountClaims) or preloaded.subject != system_account:
        raise InvalidToken("system_account_jwt is not the account JWT of system_account: write the JWT of that account")
    return _TEXT.format(operator_jwt=operator_jwt, system_account=system_account, system_account_jwt=system_account_jwt)
