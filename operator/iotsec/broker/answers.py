"""What servers answer, read into values; the shapes are those of nats-server's ``events.go`` and ``accounts.go``."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Server:
    """One running nats-server; its id changes at every start."""

    id: str
    name: str
    version: str
    cluster: str


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """One server's answer to an account JWT: stored, or refused and why."""

    server: Server
    error: str


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """What one server runs for an account: its JWT, or nothing where nobody of the account was there yet."""

    server: Server
    token: str


def server_of(body: dict[str, Any]) -> Server:
    """Read the ``server`` part every system answer and heartbeat has."""
    server = body["server"]
    return Server(server["id"], server.get("name", ""), server.get("ver", ""), server.get("cluster", ""))


def servers(answers: Iterable[bytes]) -> dict[str, Server]:
    """Read answers to a ping, by server id."""
    return {server.id: server for server in map(server_of, bodies(answers))}


def push_answers(answers: Iterable[bytes]) -> list[PushAnswer]:
    """Read answers to ``$SYS.REQ.CLAIMS.UPDATE``."""
    return [PushAnswer(server_of(body), _error(body)) for body in bodies(answers)]


def account_answers(answers: Iterable[bytes]) -> list[AccountAnswer]:
    """Read answers to ``$SYS.REQ.ACCOUNT.<A>.INFO``."""
    return [AccountAnswer(server_of(body), str((body.get("data") or {}).get("jwt", ""))) for body in bodies(answers)]


def _error(body: dict[str, Any]) -> str:
    error = body.get("error")
    if not error:
        return ""
    return str(error.get("description", error)) if isinstance(error, dict) else str(error)


def bodies(answers: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    """Read answers of servers to anything; what is none is left out."""
    for answer in answers:
        try:
            body = orjson.loads(answer)
        except orjson.JSONDecodeError:
            continue  # "no responders" is an empty message
        if isinstance(body, dict) and isinstance(body.get("server"), dict):
            yield body
