"""The few requests that the testbed itself sends to its API server, with nothing but the standard library."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed.certificates import KeyPairFiles

_TIMEOUT_SECONDS = 10


class RequestRefusedError(RuntimeError):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A client of one API server, as the owner of a client certificate."""

    def __init__(self, port: int, *, ca: Path, client: KeyPairFiles) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=ca)
        self._tls.load_cert_chain(client.certificate, client.key)

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
            headers = {"User-Agent": "testbed", "Content-Type": content_type}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            if response.status >= http.HTTPStatus.BAD_REQUEST:
                text = response.read().decode(errors="replace")
                raise RequestRefusedError(response.status, f"{method} {path}: {text[:2000]}")
            yield response
