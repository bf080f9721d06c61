"""Which key each server encrypts what it stores with, as its running process says.

A server reads its environment when it starts and never again; ``VARZ`` shows the name of the key in its metadata.
"""

from collections.abc import Iterable

from iotsec.broker.answers import bodies, server_of
from iotsec.broker.connection import SystemConnection
from iotsec.decide.encryption_at_rest import METADATA_KEY

_ASK_SECONDS = 1.5


async def jetstream_keys(connection: SystemConnection, *, expect: int) -> dict[str, str]:
    """Ask every server; by its name the name of its key and cipher, empty where it was started without.

    Of several servers with one name it is what they have in common.

    Raises:
        UnavailableError: nobody can be asked.

    """
    return keys_in(await connection.gather("$SYS.REQ.SERVER.PING.VARZ", b"", expect=expect, seconds=_ASK_SECONDS))


def keys_in(answers: Iterable[bytes]) -> dict[str, str]:
    """Read what servers answered."""
    found: dict[str, str] = {}
    for body in bodies(answers):
        name = server_of(body).name
        key = str(((body.get("data") or {}).get("metadata") or {}).get(METADATA_KEY, ""))
        found[name] = key if found.get(name, key) == key else ""
    return found
