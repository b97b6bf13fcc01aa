"""Handlers that take a body: its length, its type, and JSON input from it.

Even a small body is taken piece by piece: if the connection were closed while the client still
sends, the client would not see the error.
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
#: How much of a refused body is still read, and dropped, before the error is answered. After that
#: it is answered at once, and the connection is closed.
DRAIN_LIMIT_BYTES = 16 * 1024**2


@stream_request_body
class BodyHandler(BaseHandler):
    """A handler whose methods may call `json_input`. Errors are answered after the body.

    Heirs may set `media_type` and `limit_bytes`, refuse more in `check_headers`, and `take` the
    body in another way.
    """

    media_type = "application/json"
    limit_bytes = BODY_LIMIT_BYTES

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        super().initialize(services)
        self.body = bytearray()
        self._refused: Exception | None = None
        self._dropped_bytes = 0

    def prepare(self) -> Awaitable[None] | None:
        """Check the headers before the body comes."""
        # We keep the limit ourselves, as Tornado's answer to a longer body would not be JSON.
        cast(HTTP1Connection, self.request.connection).set_max_body_size(2**63)
        try:
            identified = super().prepare()
            if identified is None:
                self.check_headers()
        except Exception as error:
            self.refuse(error)
        else:
            if identified is not None:
                return self._prepare_later(identified)
        self.answer_who_waits()
        return None

    async def _prepare_later(self, identified: Awaitable[None]) -> None:
        try:
            await identified
            self.check_headers()
        except Exception as error:
            self.refuse(error)
        self.answer_who_waits()

    def answer_who_waits(self) -> None:
        """Answer a refused request at once if the client waits to be asked for the body.

        RFC 9110, section 10.1.1.
        """
        if self._refused is not None and "Expect" in self.request.headers and self.has_body:
            self._send(self._refused)

    def _send(self, error: Exception) -> None:
        self.log_exception(type(error), error, error.__traceback__)
        self.send_error(exc_info=(type(error), error, error.__traceback__))

    @property
    def declared_bytes(self) -> int | None:
        """The `Content-Length`, None without one; Tornado has checked that it is a number."""
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
        """Raise TooLarge or HTTPError 415 for a body that is too long or of another type."""
        if (self.declared_bytes or 0) > self.limit_bytes:
            raise TooLarge(self.limit_bytes)
        if self.declared_bytes:
            self.check_type()

    def check_type(self) -> None:
        """Raise HTTPError 415 for a body that is not of `media_type`."""
        encoding = self.request.headers.get("Content-Encoding", "identity")
        if self.given_media_type != self.media_type or encoding.lower() != "identity":
            raise HTTPError(415)

    @property
    def refused(self) -> bool:
        """Whether the answer will be an error."""
        return self._refused is not None

    def refuse(self, error: Exception) -> None:
        """Answer with this error once the body is read, in place of the method."""
        if self._refused is None:
            self._refused = error
            # It replaces the method, so no handler can forget to check.
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
            self._send(error)

    async def take(self, chunk: bytes) -> None:
        """Keep a piece of the body. Raise TooLarge when there is too much of it."""
        if not self.body:  # with chunks, only now it is certain that there is a body
            self.check_type()
        self.body += chunk
        if len(self.body) > self.limit_bytes:
            self.body.clear()
            raise TooLarge(self.limit_bytes)

    def json_input(self, kind: type[Input]) -> Input:
        """Return the input in the body. Raise HTTPError 411 when there is no body."""
        if self.declared_bytes is None and not self.has_body:
            raise HTTPError(411)
        return read_input(bytes(self.body), kind)

    def optional_json_input(self, kind: type[Input]) -> Input:
        """Return the input in the body, or its defaults when there is no body."""
        return read_input(bytes(self.body), kind) if self.body else kind()
