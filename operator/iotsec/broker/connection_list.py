"""The connections of one account that are open at one server, read page by page while others come and go."""

from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

import orjson

from iotsec.broker.connection import SystemConnection, UnavailableError

_PAGE = 512  # of connections: each comes with its JWT, so a page is about half a megabyte
_PAGE_SECONDS = 2.0


class Page(Protocol):
    """Whatever was read from one answer to CONNZ."""

    @property
    def known(self) -> frozenset[int]:
        """The number of each connection on the page."""

    @property
    def total(self) -> int:
        """How many there are, on all pages."""


P = TypeVar("P", bound=Page)


async def pages(
    connection: SystemConnection,
    server: str,
    account: str,
    *,
    read: Callable[[bytes], P],
    went: AbstractSet[int] = frozenset(),
) -> AsyncIterator[P]:
    """Yield pages until every connection was on one; some are on two.

    A list is ordered by number. Who leaves while it is read makes all after him move up: so each page must begin among
    those that are known from the page before. ``went`` is who left meanwhile, as far as that is heard.

    Raises:
        UnavailableError: the server could not be asked, or told something else; ``read`` raises ``ValueError`` for it.

    """
    listed: set[int] = set()
    overlap = 1 + _PAGE // 32
    while True:
        offset = max(0, len(listed - went) - overlap)
        page = await _page(connection, server, account, offset, read)
        if offset and min(page.known, default=max(listed) + 1) > max(listed):
            overlap *= 2
            continue
        if page.known <= listed and offset + len(page.known) < page.total:
            raise UnavailableError("connections end faster than a server tells of them")
        listed |= page.known
        yield page
        if offset + len(page.known) >= page.total:
            return


async def _page(connection: SystemConnection, server: str, account: str, offset: int, read: Callable[[bytes], P]) -> P:
    question = orjson.dumps({"auth": True, "acc": account, "limit": _PAGE, "offset": offset})
    answers = await connection.gather(f"$SYS.REQ.SERVER.{server}.CONNZ", question, expect=1, seconds=_PAGE_SECONDS)
    try:
        return read(answers[0])
    except (IndexError, ValueError):
        raise UnavailableError("a server does not tell who is connected to it") from None
