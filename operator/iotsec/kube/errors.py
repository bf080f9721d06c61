"""What the API server answers when it does not do as asked."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class ApiError(Exception):
    """A refused request: HTTP code, the API's own reason and message, and how long to wait (seconds), if it said."""

    def __init__(self, code: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.retry_after = retry_after

    @property
    def in_ending_namespace(self) -> bool:
        """Whether it is refused because the namespace goes, in which nothing new is taken (NamespaceLifecycle)."""
        return self.code == HTTPStatus.FORBIDDEN and "being terminated" in str(self)


class NotFoundError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """The object changed since it was read."""


class AlreadyExistsError(ConflictError):
    """An object of that name exists."""


class GoneError(ApiError):
    """The watch is too old: list again."""


def api_error(code: int, body: Mapping[str, Any], *, retry_after: float | None = None) -> ApiError:
    """Return the error for a Status answer. The message never holds request data: the API server writes it."""
    reason, message = str(body.get("reason", "")), str(body.get("message", ""))
    match code, reason:
        case 404, _:
            kind: type[ApiError] = NotFoundError
        case 409, "AlreadyExists":
            kind = AlreadyExistsError
        case 409, _:
            kind = ConflictError
        case 410, _:
            kind = GoneError
        case _:
            kind = ApiError
    return kind(code, reason, message, retry_after=retry_after)
