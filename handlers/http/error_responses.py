"""Errors in HTTP: the one table from errors to statuses, and the bodies of their answers."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import responses
from typing import Any

from tornado.web import HTTPError

from handlers.access.origins import ForeignPage
from server.access.guesses import TooManyGuesses
from server.access.identity import NotIdentified
from server.access.roles import RoleNeeded
from server.access.tickets import TooManyTickets
from server.core.errors import (
    AlreadyTaken,
    Conflict,
    DatabaseAway,
    HeliographError,
    InvalidInput,
    LockLost,
    NoRoom,
    NotExamined,
    NotFound,
    QueueFull,
    StorageAway,
    TooLarge,
)

STATUSES: dict[type[HeliographError], int] = {
    NotIdentified: 401,
    RoleNeeded: 403,
    ForeignPage: 403,
    TooManyTickets: 429,
    TooManyGuesses: 429,
    NotFound: 404,
    InvalidInput: 400,
    Conflict: 409,
    AlreadyTaken: 409,
    TooLarge: 413,
    QueueFull: 503,
    DatabaseAway: 503,
    StorageAway: 503,
    LockLost: 503,
    NotExamined: 503,
    NoRoom: 507,
}

#: The `detail` of a status whose error brings no sentence of its own.
SENTENCES = {
    403: "Pages of this origin may not do that.",
    404: "Not found.",
    405: "Method not allowed.",
    411: "The length of the body is needed.",
    415: "This type of body is not accepted.",
    421: "This server is not known by that name.",
    500: "Internal server error.",
}

RETRY_SECONDS = {429: 5, 503: 5}


@dataclass(frozen=True)
class ErrorResponse:
    """The status and the JSON body of an error, and after how many seconds to try again."""

    status: int
    body: dict[str, Any]
    wait_seconds: int | None = None

    @property
    def sentence(self) -> str:
        """The body as a sentence, for people."""
        if "detail" in self.body:
            return str(self.body["detail"])
        return " ".join(f"{field}: {' '.join(messages)}" for field, messages in self.body.items())

    @property
    def retry_seconds(self) -> int | None:
        """How long to wait before the next try, None if that would not help."""
        return self.wait_seconds or RETRY_SECONDS.get(self.status)


def error_response_of(error: BaseException | None, status: int = 500) -> ErrorResponse:
    """Return the answer to an error, or to a status when there is none."""
    if isinstance(error, HTTPError):
        return ErrorResponse(error.status_code, {"detail": _sentence(error.status_code)})
    if error is None:
        return ErrorResponse(status, {"detail": _sentence(status)})
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
    if isinstance(error, InvalidInput) and error.fields:
        return ErrorResponse(status, dict(error.fields))
    if status in {404, 500}:
        return ErrorResponse(status, {"detail": SENTENCES[status]})
    wait_seconds = error.retry_seconds if isinstance(error, TooManyGuesses) else None
    return ErrorResponse(status, {"detail": _ended(str(error))}, wait_seconds)


def _sentence(status: int) -> str:
    return SENTENCES.get(status) or _ended(responses.get(status, "Error").capitalize())


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
