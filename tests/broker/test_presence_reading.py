"""What is told while a list of connections is on its way is newer than the list."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from broker.one_account import Trust, new_key

from iotsec.broker.connection import UnavailableError
from iotsec.broker.presence import Attendance
from iotsec.decide.times import rfc3339
from iotsec.nats.keys import KeyType

NOW = 1_800_000_000
TRUST = Trust()
TOKENS = [TRUST.user_jwt(new_key(KeyType.USER), TRUST.account, TRUST.signer) for _ in range(8)]


class Server:
    """A server of which the test decides what happens between a question and its answer."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.after_answer: Callable[[], None] = lambda: None
        self.answers = True
        self.continuity = (1, 0)
        self.attendance = Attendance(
            self,  # type: ignore[arg-type]
            issuers=TRUST.issuers,
            changed=lambda _: None,
            clock=lambda: NOW,
        )

    async def listen(self, _: object) -> None:
        """All is heard."""

    async def gather(self, _: str, question: bytes, **__: Any) -> list[bytes]:
        """Answer CONNZ."""
        asked = json.loads(question)
        self.before_answer()
        page = self.open[asked["offset"] : asked["offset"] + asked["limit"]]
        entries = [{"cid": cid, "start": rfc3339(NOW), "jwt": TOKENS[cid], "account": asked["acc"]} for cid in page]
        body = {"server": {"id": "N"}, "data": {"total": len(self.open), "connections": entries}}
        self.after_answer()
        return [json.dumps(body).encode()] if self.answers else []

    def came(self, cid: int) -> None:
        self.open.append(cid)
        self._tell("CONNECT", cid)

    def left(self, cid: int) -> None:
        self.open.remove(cid)
        self._tell("DISCONNECT", cid)

    def _tell(self, event: str, cid: int) -> None:
        client = {"id": cid, "jwt": TOKENS[cid], "start": rfc3339(NOW), "stop": rfc3339(NOW)}
        body = {"server": {"id": "N"}, "client": client}
        self.attendance.heard(f"$SYS.ACCOUNT.{TRUST.account.public}.{event}", json.dumps(body).encode())

    def connected(self) -> set[int]:
        """Numbers of the connections that are known."""
        presences = (self.attendance.of(user) for user in self.attendance)
        return {connection.cid for presence in presences for connection in presence.connections}


@pytest.fixture
def server() -> Server:
    return Server()


async def test_who_leaves_while_the_list_is_on_its_way_stays_gone(server: Server) -> None:
    server.open = [1, 2]
    server.after_answer = lambda: server.left(1)

    await server.attendance.follow({"N"})

    assert server.connected() == {2}


async def test_who_comes_while_the_list_is_on_its_way_stays(server: Server) -> None:
    server.open = [1]
    server.after_answer = lambda: server.came(3)

    await server.attendance.follow({"N"})

    assert server.connected() == {1, 3}


async def test_nobody_is_missed_who_moves_up_a_page_because_others_leave(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iotsec.broker.connection_list._PAGE", 4)
    server.open = [0, 1, 2, 3, 4, 5, 6, 7]
    leaving = iter([(), (0, 1)])

    def leave() -> None:
        for cid in next(leaving, ()):
            server.left(cid)

    server.before_answer = leave

    await server.attendance.follow({"N"})

    assert server.connected() == {2, 3, 4, 5, 6, 7}


async def test_who_left_unheard_is_gone_after_the_next_reading(server: Server) -> None:
    server.came(1)
    server.came(2)
    server.open = [2]
    server.continuity = (2, 0)  # the connection to NATS was lost meanwhile

    assert await server.attendance.follow({"N"})

    assert server.connected() == {2}


async def test_nothing_is_read_twice_while_nothing_can_have_been_missed(server: Server) -> None:
    server.open = [1]
    assert await server.attendance.follow({"N"})
    server.answers = False

    assert not await server.attendance.follow({"N"})


async def test_with_a_server_go_its_connections(server: Server) -> None:
    server.open = [1]
    await server.attendance.follow({"N"})

    await server.attendance.follow(set())

    assert server.connected() == set()


async def test_a_server_that_does_not_answer_takes_nobodys_connection_away(server: Server) -> None:
    server.came(1)
    server.answers = False

    with pytest.raises(UnavailableError):
        await server.attendance.follow({"N"})
    assert server.connected() == {1}
    server.answers = True

    assert await server.attendance.follow({"N"}), "it is asked again"


async def test_an_end_that_is_heard_before_its_beginning_ends_it(server: Server) -> None:
    server.open = [1]
    server.left(1)

    server._tell("CONNECT", 1)  # noqa: SLF001 - told late

    assert server.connected() == set()
