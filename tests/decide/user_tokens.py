"""JWTs that were once written into a Secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from iotsec.decide import names
from iotsec.nats import jwt
from iotsec.nats.claims import UserClaims


@dataclass(frozen=True)
class Token:
    """A JWT that was once written into a Secret."""

    account: str
    key: str
    name: str
    issued_at: int
    expires_at: int
    digest: str
    """Of what it grants."""
    token: str = field(repr=False)


def read_token(data: Mapping[str, bytes], digest: str) -> Token:
    text = data[names.USER_JWT_KEY].decode()
    found = jwt.decode(text, verify=False)
    assert isinstance(found.claims, UserClaims)
    assert found.expires_at is not None
    return Token(
        found.claims.issuer_account, found.subject, found.name, found.issued_at, found.expires_at, digest, text
    )
