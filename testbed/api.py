"""The few requests that the testbed itself sends to its API server, with nothing but the standard library."""

import contextlib
import http.client
import json
import re
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from testbed.certificates import KeyPairFiles

_TIMEOUT_SECONDS = 10
_WARNING = re.compile(r'299 - "(.*)"')


class RequestRefusedError(RuntimeError):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A client of one API server, as the owner of a client certificate."""

    def __init__(self, port: int, *, ca: Path, client: KeyPairFiles, acting_as: Sequence[str] = ()) -> None:
        self.warnings: list[str] = []
        """What the server warned of, in answer to all requests so far."""
        self._port, self._ca, self._client = port, ca, client
        names = ("Impersonate-User", *("Impersonate-Group" for _ in acting_as[1:]))
        self._identity = tuple(zip(names, acting_as, strict=False))
        self._tls = ssl.create_default_context(cafile=ca)
        self._tls.load_cert_chain(client.certificate, client.key)

    def acting_as(self, user: str, *groups: str) -> Self:
        """A client who is somebody else to the server, as with `kubectl --as`; with warnings of its own."""
        return type(self)(self._port, ca=self._ca, client=self._client, acting_as=(user, *groups))

    def request(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """The answer to one request; raises `RequestRefusedError`, and `OSError` when nobody is there."""
        text = self._send(method, path, None if body is None else json.dumps(body), content_type)
        answer: dict[str, Any] = json.loads(text)
        return answer

    def text(self, path: str) -> str:
        """The answer to a GET that is no JSON, a log for instance; raises as `request` does."""
        return self._send("GET", path, None, "").decode(errors="replace")

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        """The events of a watch, first those of all objects there are; it ends when the server ends it."""
        with self._open("GET", path, None, "", timeout=None) as response:
            for line in response:
                yield json.loads(line)

    def ready(self) -> bool:
        """Whether the server is there, is the one whose authority we know, and is ready."""
        try:
            return self._send("GET", "/readyz", None, "") == b"ok"
        except (OSError, http.client.HTTPException, RequestRefusedError):
            return False

    def _send(self, method: str, path: str, body: str | None, content_type: str) -> bytes:
        with self._open(method, path, body, content_type, timeout=_TIMEOUT_SECONDS) as response:
            return response.read()

    @contextlib.contextmanager
    def _open(
        self, method: str, path: str, body: str | None, content_type: str, *, timeout: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=timeout, context=self._tls)
        with contextlib.closing(connection):
            connection.putrequest(method, path)
            for name, value in (("User-Agent", "testbed"), ("Content-Type", content_type), *self._identity):
                connection.putheader(name, value)
            content = (body or "").encode()
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            response = connection.getresponse()
            self.warnings += _WARNING.findall("\n".join(response.headers.get_all("Warning", [])))
            if response.status >= http.HTTPStatus.BAD_REQUEST:
                text = response.read().decode(errors="replace")
                raise RequestRefusedError(response.status, f"{method} {path}: {text[:2000]}")
            yield response
