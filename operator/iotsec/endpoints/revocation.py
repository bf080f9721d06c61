"""Who asks whether a certificate still counts is answered here: OCSP (RFC 6960), CRLs, certificates of authorities.

Whoever reaches it may ask, over plain HTTP as the RFCs have it: what is said is signed by the authority, and none of it
is secret. Servers ask during handshakes, hence the answers kept for a moment, and the bound on the work of a flood.
"""

import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives.serialization import Encoding

from iotsec.decide.revoked_certificates import Sources
from iotsec.decide.times import CLOCK_LAG_SECONDS
from iotsec.endpoints.endpoint import Endpoint
from iotsec.endpoints.handing_on import HandingOn
from iotsec.x509 import ocsp
from iotsec.x509.authority import Authority
from iotsec.x509.revocation import crl

BODY_BYTES: Final = 64 * 1024
"""Bytes of a request at most; one is some 100 bytes, or some thousands where it is signed."""

CRL_SECONDS: Final = 24 * 60 * 60
"""Seconds that a list is good for: those who use lists fetch them by a timer of theirs."""

SIGNING_SHARE: Final = 0.25
"""Of each second, the part that may go into signatures; who asks beyond it is told to try later.

As much again is for answers that somebody is revoked: he must not be let in because a flood keeps servers from knowing.
"""

_KEPT_ANSWERS: Final = 8192  # of some 500 bytes each
_KEPT_LISTS: Final = 16  # of 600 KiB each at most
_KEPT_INDEXES: Final = 64
_NUMBER_BITS: Final = 20

_OCSP_RESPONSE: Final = "application/ocsp-response"


@dataclass(frozen=True, slots=True)
class _Signed:
    """What was signed, and what it said: where that is so no more, or ``until`` is over, another is signed."""

    said: Hashable
    until: int
    der: bytes


class _Kept:
    """The last of what was signed, so many at most."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, _Signed] = OrderedDict()

    def get(self, key: Hashable, *, said: Hashable, now: int) -> _Signed | None:
        found = self._items.get(key)
        if found is None or found.said != said or found.until <= now:
            return None
        self._items.move_to_end(key)
        return found

    def keep(self, key: Hashable, signed: _Signed) -> None:
        self._items[key] = signed
        self._items.move_to_end(key)
        if len(self._items) > self._size:
            self._items.popitem(last=False)


class _OverloadedError(RuntimeError):
    """Enough was signed in this second."""


class RevocationEndpoint(Endpoint):
    """Answers for all Hubs that ``sources`` knows, by namespace and name; between `start` and `close`.

    What is revoked is refused from the next question on; who keeps a former answer, as nats-server does, keeps it for
    ``validity`` seconds at most, or those of its Hub's `Sources`. ``clock`` tells unix seconds. ``elsewhere`` tells the
    URL of the replica that answers instead: ``None`` where that is this one, empty where nobody knows.
    """

    listens = "revocation endpoint listens"
    keepalive_seconds = 15

    def __init__(
        self,
        *,
        sources: Callable[[str, str], Sources | None],
        clock: Callable[[], int],
        validity: int,
        host: str = "127.0.0.1",
        port: int = 0,
        elsewhere: Callable[[], str | None] = lambda: None,
    ) -> None:
        super().__init__(host=host, port=port)
        self._elsewhere = elsewhere
        self._sources = sources
        self._clock = clock
        self._validity = validity
        self._answers = _Kept(_KEPT_ANSWERS)
        self._lists = _Kept(_KEPT_LISTS)
        self._issuers = lru_cache(_KEPT_INDEXES)(ocsp.issuers)
        self._second = float("-inf")
        self._spent = {True: 0.0, False: 0.0}
        """In this second: for those who are revoked, and for all else."""

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._by_who_works])
        app.cleanup_ctx.append(self._with_handing_on)
        app.add_routes(
            [
                web.post("/ocsp/{namespace}/{hub}", self._ocsp_posted),
                web.get("/ocsp/{namespace}/{hub}/{request:.+}", self._ocsp_in_path),
                web.get("/crl/{namespace}/{hub}/{key_id}.crl", self._list),
                web.get("/ca/{namespace}/{hub}/{key_id}.crt", self._certificate),
            ]
        )
        return app

    async def _with_handing_on(self, _: web.Application) -> AsyncIterator[None]:
        async with HandingOn() as self._handing_on:
            yield

    @web.middleware
    async def _by_who_works(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        base = self._elsewhere()
        if base is None or request.match_info.http_exception is not None:
            return await handler(request)
        return await self._handing_on.answer(request, base)

    async def _ocsp_posted(self, http: web.Request) -> web.Response:
        return self._answer(http, await http.read())

    async def _ocsp_in_path(self, http: web.Request) -> web.Response:
        """Answer base64 in the path (RFC 6960 A.1.1), whose slashes some clients write as they are."""
        text = http.rel_url.raw_path.split("/", 4)[4]
        try:
            der = base64.b64decode(unquote(text), validate=True)
        except (binascii.Error, ValueError):
            return _ocsp_refused(ocsp.Refusal.MALFORMED)
        return self._answer(http, der)

    def _answer(self, http: web.Request, der: bytes) -> web.Response:
        sources = self._known(http)
        try:
            request = ocsp.read(der)
        except ocsp.MalformedRequestError:
            return _ocsp_refused(ocsp.Refusal.MALFORMED)
        authority = self._issuers(sources.authorities).get(request.issuer)
        if authority is None:
            # No OCSP answer, not even that none is allowed: nats-server refuses by that whom it may let in while nobody
            # answers, and those are the fleet of a CA whose key is not at hand (ocsp_peer.go; seen on 2.15.1).
            raise web.HTTPNotFound(text="this Hub has no key of that CA: ask whoever has\n")
        now = self._clock()
        revoked_at = sources.revoked.revoked_at(request.serial, authority.key_id)
        key, said = (authority.fingerprint, request), (revoked_at, sources.validity)
        try:
            signed = self._answers.get(key, said=said, now=now) or self._signed(
                lambda: self._sign_answer(sources, authority, request, revoked_at, now),
                # Whoever wants a nonce back is no nats-server.
                refuses=revoked_at is not None and not request.nonce,
            )
        except _OverloadedError:
            raise web.HTTPServiceUnavailable(text="too much is asked: try later\n", headers=_RETRY) from None
        if not request.nonce:
            self._answers.keep(key, signed)
        return web.Response(
            body=signed.der,
            content_type=_OCSP_RESPONSE,
            headers=_NO_STORE if request.nonce else _cacheable(signed.until - now),
        )

    def _sign_answer(
        self, sources: Sources, authority: Authority, request: ocsp.Request, revoked_at: int | None, now: int
    ) -> _Signed:
        der = ocsp.answer(
            authority,
            request,
            revoked_at=revoked_at,
            this_update=now - CLOCK_LAG_SECONDS,  # nobody takes an answer that begins in the future
            next_update=now + self._validity_of(sources),
        )
        return _Signed((revoked_at, sources.validity), now + self._validity_of(sources) // 2, der)

    def _validity_of(self, sources: Sources) -> int:
        return self._validity if sources.validity is None else sources.validity

    async def _list(self, http: web.Request) -> web.Response:
        sources, authority = self._asked(http)
        now = self._clock()
        key = (http.match_info["namespace"], http.match_info["hub"], authority.fingerprint)
        try:
            signed = self._lists.get(key, said=sources.revoked.number, now=now) or self._signed(
                lambda: self._sign_list(sources, authority, now)
            )
        except _OverloadedError:
            raise web.HTTPServiceUnavailable(text="too much is asked: try later\n", headers=_RETRY) from None
        self._lists.keep(key, signed)
        return web.Response(
            body=signed.der, content_type="application/pkix-crl", headers=_cacheable(signed.until - now)
        )

    def _sign_list(self, sources: Sources, authority: Authority, now: int) -> _Signed:
        number = sources.revoked.number
        der = crl(
            authority,
            sources.revoked.of(authority.key_id),
            # Grows with time, also where the count of changes began again because its Secret was lost.
            number=now << _NUMBER_BITS | number % (1 << _NUMBER_BITS),
            issued_at=now - CLOCK_LAG_SECONDS,
            next_update=now + CRL_SECONDS,
        )
        return _Signed(number, now + self._validity_of(sources) // 2, der)

    async def _certificate(self, http: web.Request) -> web.Response:
        _, authority = self._asked(http)
        return web.Response(body=authority.own.public_bytes(Encoding.DER), content_type="application/pkix-cert")

    def _known(self, http: web.Request) -> Sources:
        sources = self._sources(http.match_info["namespace"], http.match_info["hub"])
        if sources is None:
            raise web.HTTPNotFound(text="nothing is known here of this Hub: ask again later, or see its TLSPolicy\n")
        return sources

    def _asked(self, http: web.Request) -> tuple[Sources, Authority]:
        sources = self._known(http)
        for authority in sources.authorities:
            if authority.key_id == http.match_info["key_id"]:
                return sources, authority
        raise web.HTTPNotFound(text="this Hub has no such CA: name one by its subject key identifier, in hex\n")

    def _signed(self, sign: Callable[[], _Signed], *, refuses: bool = False) -> _Signed:
        """Sign, unless enough was signed in this second; then raise `_OverloadedError`."""
        started = time.perf_counter()
        if started - self._second >= 1:
            self._second, self._spent = started, {True: 0.0, False: 0.0}
        if self._spent[refuses] > SIGNING_SHARE:
            raise _OverloadedError
        try:
            return sign()
        finally:
            self._spent[refuses] += time.perf_counter() - started


_RETRY: Final = {"Retry-After": "1"}
_NO_STORE: Final = {"Cache-Control": "no-store"}


def _cacheable(seconds: int) -> dict[str, str]:
    """Let caches on the way keep it as long as we do: RFC 5019 section 6.2."""
    return {"Cache-Control": f"max-age={seconds}, public, no-transform, must-revalidate"}


def _ocsp_refused(refusal: ocsp.Refusal) -> web.Response:
    return web.Response(body=refusal.der, content_type=_OCSP_RESPONSE, headers=_NO_STORE)
