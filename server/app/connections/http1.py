"""HTTP/1.1 on one connection, as RFC 9112 has it where Tornado leaves something out.

Tornado parses, reads bodies and writes answers. Here are the order of a request (headers, `100`,
body, answer), the forms of its target, and answers to what is not a request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from http.client import responses
from typing import Any, cast

from tornado.concurrent import future_set_result_unless_cancelled
from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    parse_request_start_line,
)
from tornado.iostream import IOStream, StreamClosedError, UnsatisfiableReadError

from handlers.http.access_control import METHODS
from handlers.http.error_responses import RETRY_SECONDS
from server.app.connections.bounds import client_of
from server.app.connections.forwarding import ClientContext
from server.app.connections.stream import ClientStream, Phase

log = logging.getLogger(__name__)

#: Largest request line and headers.
HEAD_LIMIT_BYTES = 65_536
HEAD_END = rb"\r?\n\r?\n"
ABSOLUTE_FORM = re.compile(r"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)

SENTENCES = {
    400: "This is not a valid request.",
    413: "The body is too long.",
    414: f"The URL is longer than {HEAD_LIMIT_BYTES} bytes.",
    429: "There are too many connections from this address.",
    417: "This expectation cannot be met.",
    431: f"The headers are longer than {HEAD_LIMIT_BYTES} bytes.",
    501: "This method is not implemented.",
}


class Refused(HTTPInputError):
    """A request that no handler sees, and the status of its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(SENTENCES[status])
        self.status = status


class ClientConnection(HTTP1ServerConnection):
    """The requests of one connection, one after the other."""

    async def _server_request_loop(self, delegate: HTTPServerConnectionDelegate) -> None:
        try:
            while True:
                request = Request(self.stream, False, self.params, self.context)
                taker = delegate.start_request(self, request)
                if not await self._read(request, taker):
                    return
                await asyncio.sleep(0)
        finally:
            delegate.on_close(self)

    async def _read(self, request: Request, taker: HTTPMessageDelegate) -> bool:
        """Read and answer a request; return whether another one may follow."""
        try:
            return await request.read_response(taker)
        except (StreamClosedError, UnsatisfiableReadError, asyncio.CancelledError):
            return False
        except Exception:
            log.exception("A connection failed", extra={"action": "connection_failed"})
            request.close()
            return False


class Request(HTTP1Connection):
    """One request and its answer."""

    _lingers = False

    async def _read_message_inner(self, delegate: HTTPMessageDelegate, num_1xx: int = 0) -> bool:
        """Read a request and wait for its answer; return whether another one may follow."""
        taken = False
        try:
            start_line, headers = await self._read_head()
            taken = True  # from here on, the delegate must learn of the end
            received = delegate.headers_received(start_line, headers)
            if received is not None:
                await received
            if self.stream is None:
                taken = False
                return False
            if self._skips_body(delegate, headers):
                self._disconnect_on_finish = True
            else:
                await self._read_whole_body(headers, delegate)
                self._read_finished = True
            if self._lingers:
                self.close()
                return False
            if not self._write_finished:
                self._enter(Phase.ANSWER)
                delegate.finish()
                taken = False
            await self._answered()
            return self.stream is not None and not self._lingers
        except HTTPInputError as error:
            await self._refuse(error)
            return False
        finally:
            if taken:
                delegate.on_connection_close()
            self._clear_callbacks()

    async def _read_head(self) -> tuple[RequestStartLine, HTTPHeaders]:
        self._enter(Phase.WAITING)
        data = await self.stream.read_until_regex(HEAD_END, max_bytes=HEAD_LIMIT_BYTES)
        if len(data) > HEAD_LIMIT_BYTES:
            raise Refused(431 if b"\n" in data.lstrip(b"\r\n")[:HEAD_LIMIT_BYTES] else 414)
        line, headers = self._parse_headers(data)
        start_line = parse_request_start_line(line)
        if not start_line.path.startswith("/"):
            start_line = origin_form(start_line, headers)
        self._request_start_line, self._request_headers = start_line, headers
        self._disconnect_on_finish = not self._can_keep_alive(start_line, headers)
        self._count_for_client(headers)
        return start_line, headers

    def _count_for_client(self, headers: HTTPHeaders) -> None:
        """Find out whose request a proxy passes on. Raise Refused if that client has too many."""
        context, share = cast(ClientContext, self.context), cast(ClientStream, self.stream).share
        context.begin_request(headers)
        if share is not None and not share.take(client_of((context.remote_ip,))):
            raise Refused(429)

    def _can_keep_alive(self, start_line: Any, headers: HTTPHeaders) -> bool:
        # What a method that we do not know makes of its body, we do not know either.
        if start_line.method not in METHODS:
            return False
        options = headers.get("Connection")
        if options is not None and "," in options:
            named = {option.strip().lower() for option in options.split(",")}
            return "close" not in named and (
                start_line.version == "HTTP/1.1" or "keep-alive" in named
            )
        return super()._can_keep_alive(start_line, headers)

    def _skips_body(self, delegate: HTTPMessageDelegate, headers: HTTPHeaders) -> bool:
        """Send `100 Continue` if the client waits for it; return True if the body is not wanted."""
        expected = headers.get("Expect")
        if expected is None or self._is_old():
            return False
        if expected.strip().lower() != "100-continue":
            raise Refused(417)
        if self._write_finished:
            return False  # refused; what still comes is dropped
        if "Transfer-Encoding" not in headers and headers.get("Content-Length", "0") == "0":
            return False
        # Handlers that do not read bodies answer without.
        if not getattr(getattr(delegate, "delegate", None), "stream_request_body", True):
            return True
        self.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return False

    def _is_old(self) -> bool:
        line = cast(RequestStartLine, self._request_start_line)
        return line.version == "HTTP/1.0"

    async def _read_whole_body(self, headers: HTTPHeaders, delegate: HTTPMessageDelegate) -> None:
        body = self._read_body(0, headers, delegate)
        if body is not None:
            if not self._lingers:
                self._enter(Phase.BODY)
            await body

    async def _answered(self) -> None:
        if self._finish_future.done() or self.stream is None or self.stream.closed():
            return
        self.stream.set_close_callback(self._on_connection_close)
        await self._finish_future

    async def _refuse(self, error: HTTPInputError) -> None:
        """Answer what is not a request, unless an answer has begun, and close."""
        log.debug("%s was refused: %s", self.context, error, extra={"action": "request_malformed"})
        if self.stream is None or self.stream.closed():
            return
        if self._response_start_line is None:
            await self.stream.write(refusal(_status_of(error)))
        cast(ClientStream, self.stream).shut_down_writing()
        while not self.stream.closed():
            await self.stream.read_bytes(HEAD_LIMIT_BYTES, partial=True)

    def _finish_request(self, future: Any) -> None:
        """Close after the last answer, but not while the client still sends.

        It would get a reset connection, and perhaps not see the answer.
        """
        if self._disconnect_on_finish and not self._read_finished and not self.stream.closed():
            self._lingers = True
            self._clear_callbacks()
            cast(ClientStream, self.stream).shut_down_writing()
            future_set_result_unless_cancelled(self._finish_future, None)
            return
        super()._finish_request(future)

    def detach(self) -> IOStream:
        """Hand over the stream, as for a websocket."""
        self._enter(Phase.UPGRADED)
        return super().detach()

    def _enter(self, phase: Phase) -> None:
        cast(ClientStream, self.stream).enter(phase)


def origin_form(line: RequestStartLine, headers: HTTPHeaders) -> RequestStartLine:
    """Return the request line with a path, whose host, if any, is now the `Host`.

    RFC 9112, section 3.2. Raise Refused for what has neither.
    """
    if line.method == "CONNECT":
        raise Refused(501)
    if line.path == "*" and line.method == "OPTIONS":
        return line._replace(path="/")
    match = ABSOLUTE_FORM.fullmatch(line.path)
    if match is None or len(headers.get_list("Host")) > 1:
        raise Refused(400)
    headers["Host"] = match[1]
    rest = match[2] or "/"
    return line._replace(path=rest if rest.startswith("/") else f"/{rest}")


def refusal(status: int, sentence: str | None = None) -> bytes:
    """Return the whole answer to what is not a request, or to one too many."""
    body = json.dumps({"detail": sentence or SENTENCES[status]}).encode()
    later = f"Retry-After: {RETRY_SECONDS[status]}\r\n" if status in RETRY_SECONDS else ""
    return (
        f"HTTP/1.1 {status} {responses[status]}\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"{later}Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body


def _status_of(error: HTTPInputError) -> int:
    if isinstance(error, Refused):
        return error.status
    return 413 if "too long" in str(error) or "too large" in str(error) else 400
