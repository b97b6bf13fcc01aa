"""What an error becomes in HTTP: the one table from errors to statuses and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import responses
from typing import Any

from tornado.web import HTTPError

from server.core.errors import (
    AlreadyTaken,
    Conflict,
    DatabaseAway,
    HeliographError,
    InvalidInput,
    NoRoom,
    NotFound,
    QueueFull,
    TooLarge,
)

STATUSES: dict[type[HeliographError], int] = {
    NotFound: 404,
    InvalidInput: 400,
    Conflict: 409,
    AlreadyTaken: 409,
    TooLarge: 413,
    QueueFull: 503,
    DatabaseAway: 503,
    NoRoom: 507,
}

#: What `detail` says where no error brings its own sentence.
SENTENCES = {
    401: "A token is needed.",
    403: "Pages of this origin may not do that.",
    404: "Not found.",
    405: "Method not allowed.",
    411: "The length of the body is needed.",
    415: "This type of body is not accepted.",
    421: "This server does not go by that name.",
    500: "Internal server error.",
}

RETRY_SECONDS = {429: 5, 503: 5}


@dataclass(frozen=True)
class Refusal:
    """A status and what the body says."""

    status: int
    body: dict[str, Any]

    @property
    def sentence(self) -> str:
        """The body in words, for people."""
        if "detail" in self.body:
            return str(self.body["detail"])
        return " ".join(f"{field}: {' '.join(said)}" for field, said in self.body.items())

    @property
    def retry_seconds(self) -> int | None:
        """When to come back, if that can help."""
        return RETRY_SECONDS.get(self.status)


def refusal_of(error: BaseException | None, status: int = 500) -> Refusal:
    """The answer to an error; `status` is used when there is none."""
    if isinstance(error, HTTPError):
        return Refusal(error.status_code, {"detail": _sentence(error.status_code)})
    if error is None:
        return Refusal(status, {"detail": _sentence(status)})
    known = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
    if isinstance(error, InvalidInput) and error.fields:
        return Refusal(known, dict(error.fields))
    if known in {404, 500}:
        return Refusal(known, {"detail": SENTENCES[known]})
    return Refusal(known, {"detail": _ended(str(error))})


def _sentence(status: int) -> str:
    return SENTENCES.get(status) or _ended(responses.get(status, "Error").capitalize())


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
