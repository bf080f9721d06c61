"""Credentials files: a user JWT and its seed as clients read them (jwt v2 creds_utils.go `FormatUserConfig`)."""

from __future__ import annotations

import re
from typing import Final

from iotsec.nats.claims import UserClaims
from iotsec.nats.jwt import InvalidToken, decode
from iotsec.nats.keys import InvalidKey, KeyType, Seed, SigningKey

_BLOCK: Final = re.compile(rb"-{3,}[^\r\n]*-{3,}\r?\n([\w\-.=]+)(?:\r?\n-{3,}[^\r\n]*-{3,}(?:\r?\n|\Z))")
_BLOCKS: Final = 2


class InvalidCreds(ValueError):  # noqa: N818 - named for the value it is about, as its siblings are
    """A credentials file is incomplete, or its seed is not that of its JWT. The message holds neither."""


def format_creds(jwt: str, seed: Seed | SigningKey) -> bytes:
    """The credentials file of a user, to the byte what `nsc generate creds` writes.

    A `SigningKey` saves deriving the public key from the seed. The signature of `jwt` is not checked. Raises
    `InvalidToken` if `jwt` is no user JWT, `InvalidKey` if the seed is no user's, `InvalidCreds` if it is another's.
    """
    key = seed if isinstance(seed, SigningKey) else SigningKey.from_seed(seed, KeyType.USER)
    _check_pair(jwt, key, verify=False)
    return (
        b"-----BEGIN NATS USER JWT-----\n"
        + jwt.encode()
        + b"\n------END NATS USER JWT------\n\n"
        + b"************************* IMPORTANT *************************\n"
        + b"NKEY Seed printed below can be used to sign and prove identity.\n"
        + b"NKEYs are sensitive and should be treated as secrets.\n\n"
        + b"-----BEGIN USER NKEY SEED-----\n"
        + key.seed.reveal()
        + b"\n------END USER NKEY SEED------\n\n"
        + b"*************************************************************\n"
    )


def parse_creds(contents: bytes) -> tuple[str, SigningKey]:
    """The JWT and the key of a credentials file, found as jwt v2 finds them; both are checked, and that they match.

    Raises `InvalidCreds`.
    """
    blocks = _BLOCK.findall(contents)
    if len(blocks) < _BLOCKS:
        raise InvalidCreds(
            "a credentials file has a block with a JWT and one with a seed: write the whole file of `nsc`"
        )
    jwt = blocks[0].decode("ascii", "replace")
    try:
        key = SigningKey.from_seed(blocks[1], KeyType.USER)
        _check_pair(jwt, key, verify=True)
    except (InvalidToken, InvalidKey) as fault:
        raise InvalidCreds(f"the credentials file cannot be used: {fault}") from None
    return jwt, key


def _check_pair(jwt: str, key: SigningKey, *, verify: bool) -> None:
    decoded = decode(jwt, verify=verify)
    if not isinstance(decoded.claims, UserClaims):
        raise InvalidToken("credentials are made of a user JWT, and this is a JWT of another type")
    if decoded.subject != key.public:
        raise InvalidCreds(
            "the seed is not that of the user the JWT is about: put the seed and the JWT of one user together"
        )
