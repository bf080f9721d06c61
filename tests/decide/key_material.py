"""Keys that are the same in every run."""

from collections.abc import Iterator

from iotsec.decide.account import AccountKeys
from iotsec.decide.roles import PRESETS
from iotsec.nats.keys import KeyType, SigningKey


def numbered_entropy(start: int = 0) -> Iterator[bytes]:
    """Never the same 32 bytes twice."""
    number = start
    while True:
        number += 1
        yield number.to_bytes(32, "big")


def account_keys(name: str, entropy: Iterator[bytes]) -> AccountKeys:
    def key() -> SigningKey:
        return SigningKey.generate(KeyType.ACCOUNT, next(entropy))

    identity = key()
    return AccountKeys(name, identity.public, identity, (key(),), {role: (key(),) for role in PRESETS})


def signers(keys: AccountKeys) -> frozenset[str]:
    """The public halves of every signing key."""
    return frozenset(key.public for of_role in (keys.unscoped, *keys.scoped.values()) for key in of_role)


def user_key(number: int) -> str:
    """A public key whose seed somebody else holds."""
    return SigningKey.generate(KeyType.USER, bytes([number]) * 32).public
