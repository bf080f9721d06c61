"""What a replica is asked that stands by, it hands on to the one that works: a Service reaches either."""

from typing import Final, Self

import aiohttp
from aiohttp import web
from yarl import URL

HANDED_ON: Final = "Iotsec-Handed-On"
"""The header of a question that comes from another replica: it is handed on once."""

_SECONDS = 2.0  # a server that asks during a handshake has no patience for more
_CONNECTIONS = 16
_PASSED_ON = ("Cache-Control", "Content-Type", "Retry-After")


class HandingOn:
    """Asks another replica in place of who asked us. Use it as an async context manager."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def answer(self, question: web.Request, base: str) -> web.Response:
        """Return the answer of the replica at a base URL; 503 where that has none, or there is none to ask."""
        if not base or HANDED_ON in question.headers:
            return _nobody()
        url = URL(f"{base}{question.rel_url.raw_path}", encoded=True)
        headers = {HANDED_ON: "1"} | {k: v for k, v in question.headers.items() if k.lower() == "content-type"}
        try:
            body = await question.read()
            async with self._session.request(
                question.method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                passed_on = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=passed_on)
        except (aiohttp.ClientError, TimeoutError):
            return _nobody()


def _nobody() -> web.Response:
    return web.Response(
        status=503, text="the replica that could answer is not reached: ask again\n", headers={"Retry-After": "1"}
    )
