"""Handlers that take a body: its length, its type, and JSON input from it.

The body is taken piece by piece even where it is small, because only so can a refusal be a clear
answer: closing a connection while the client still sends makes it lose what we said.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NoReturn, cast

from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, stream_request_body

from handlers.http.base import BaseHandler
from handlers.http.json_input import Input, read_input
from handlers.services import Services
from server.core.errors import TooLarge

#: Largest body other than an upload.
BODY_LIMIT_BYTES = 1024**2
#: How much of a refused body is still taken, and dropped, so that the client gets its answer;
#: then it gets it at once, and the connection is closed.
DRAIN_LIMIT_BYTES = 16 * 1024**2


@stream_request_body
class BodyHandler(BaseHandler):
    """A handler whose methods may call `json_input`. Refusals wait until the body is through."""

    media_type = "application/json"
    limit_bytes = BODY_LIMIT_BYTES

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        super().initialize(services)
        self.body = bytearray()
        self._refused: Exception | None = None
        self._dropped_bytes = 0

    def prepare(self) -> Awaitable[None] | None:
        """Look at the headers before the body comes."""
        # The limit is ours to keep, as Tornado's answer to a longer body would be no JSON.
        cast(HTTP1Connection, self.request.connection).set_max_body_size(2**63)
        try:
            super().prepare()
            self.check_headers()
        except Exception as error:
            self.refuse(error)
        return None

    @property
    def declared_bytes(self) -> int | None:
        """The `Content-Length`, None without one; Tornado sees to it that it is a number."""
        length = self.request.headers.get("Content-Length", "")
        return int(length) if length.isascii() and length.isdigit() else None

    @property
    def has_body(self) -> bool:
        """Whether a body may come."""
        return bool(self.declared_bytes) or "Transfer-Encoding" in self.request.headers

    @property
    def given_media_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def check_headers(self) -> None:
        """Refuse a body that is too long or not of our type."""
        if (self.declared_bytes or 0) > self.limit_bytes:
            raise TooLarge(self.limit_bytes)
        if self.declared_bytes:
            self.check_type()

    def check_type(self) -> None:
        """Refuse a body that is not of our type."""
        encoding = self.request.headers.get("Content-Encoding", "identity")
        if self.given_media_type != self.media_type or encoding.lower() != "identity":
            raise HTTPError(415)

    @property
    def refused(self) -> bool:
        """Whether the answer is an error already."""
        return self._refused is not None

    def refuse(self, error: Exception) -> None:
        """Answer with this error once the body is through, in place of the method."""
        if self._refused is None:
            self._refused = error
            # Taking the method's place, no handler can forget to ask.
            setattr(self, str(self.request.method).lower(), self._raise_refused)

    def _raise_refused(self, *_arguments: str) -> NoReturn:
        assert self._refused is not None
        raise self._refused

    async def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body, or drop it when the request is refused."""
        if self._refused is not None:
            self._drop(chunk, self._refused)
            return
        try:
            await self.take(chunk)
        except Exception as error:
            self.refuse(error)

    def _drop(self, chunk: bytes, error: Exception) -> None:
        self._dropped_bytes += len(chunk)
        if self._dropped_bytes > DRAIN_LIMIT_BYTES:
            self.log_exception(type(error), error, error.__traceback__)
            self.send_error(exc_info=(type(error), error, error.__traceback__))

    async def take(self, chunk: bytes) -> None:
        """Keep a piece of the body."""
        if not self.body:  # in chunks, only now it is certain that there is one
            self.check_type()
        self.body += chunk
        if len(self.body) > self.limit_bytes:
            self.body.clear()
            raise TooLarge(self.limit_bytes)

    def json_input(self, kind: type[Input]) -> Input:
        """The input in the body, which must be there."""
        if self.declared_bytes is None and not self.has_body:
            raise HTTPError(411)
        return read_input(bytes(self.body), kind)

    def optional_json_input(self, kind: type[Input]) -> Input:
        """The input in the body, or its defaults when there is no body."""
        return read_input(bytes(self.body), kind) if self.body else kind()
