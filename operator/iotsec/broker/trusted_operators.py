"""Which operator keys each server trusts, as its running process says, whatever its files say by now.

``VARZ`` shows the operator JWTs that a server read when it started (``trusted_operators_claim``); a reload that was
refused because they changed leaves them as they were. Seen on nats-server 2.15.1.
"""

from collections.abc import Iterable

from iotsec.broker.answers import bodies, server_of
from iotsec.broker.connection import SystemConnection

_ASK_SECONDS = 1.5


async def trusted_operators(connection: SystemConnection, *, expect: int) -> dict[str, frozenset[str]]:
    """Ask every server which public keys it takes account JWTs of; by the server's name.

    Of several servers with one name that is all they have in common.

    Raises:
        UnavailableError: nobody can be asked.

    """
    answers = await connection.gather("$SYS.REQ.SERVER.PING.VARZ", b"", expect=expect, seconds=_ASK_SECONDS)
    return trusted_by(answers)


def trusted_by(answers: Iterable[bytes]) -> dict[str, frozenset[str]]:
    """Read what servers answered."""
    found: dict[str, frozenset[str]] = {}
    for body in bodies(answers):
        name = server_of(body).name
        operators = (body.get("data") or {}).get("trusted_operators_claim") or ()
        keys = frozenset(str(key) for one in operators for key in (one.get("nats") or {}).get("signing_keys") or ())
        found[name] = found.get(name, keys) & keys
    return found
