"""Private keys for certificates, made beside the event loop where that takes long.

Decisions are given a function that makes a key and are not interrupted. One that asks for an RSA key, which takes up to
seconds to make, is told that there is none yet, and made again when there is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from iotsec.x509.keys import KeyType, PrivateKey


class KeyNotMadeError(Exception):
    """A key of this type must be made first: await :meth:`KeyMaker.prepare`, and decide again."""

    def __init__(self, key_type: KeyType) -> None:
        super().__init__(f"no {key_type} key is at hand")
        self.key_type = key_type


class KeyMaker:
    """Makes keys, at once where that is quick."""

    def __init__(self, make: Callable[[KeyType], PrivateKey]) -> None:
        self._make = make
        self._made: defaultdict[KeyType, list[PrivateKey]] = defaultdict(list)

    def __call__(self, key_type: KeyType) -> PrivateKey:
        """Return a new key.

        Raises:
            KeyNotMadeError: it takes long to make one.

        """
        if key_type.algorithm != "RSA":
            return self._make(key_type)
        if made := self._made[key_type]:
            return made.pop()
        raise KeyNotMadeError(key_type)

    async def prepare(self, key_type: KeyType) -> None:
        """Make a key in a thread: OpenSSL lets others run meanwhile."""
        self._made[key_type].append(await asyncio.to_thread(self._make, key_type))
