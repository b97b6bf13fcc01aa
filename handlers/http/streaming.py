"""Answers that are sent piece by piece: the next piece is made when the last one has been sent."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from handlers.access.redaction import logged_path
from server.core.turns import take_turn

log = logging.getLogger(__name__)

#: An answer of known size up to this is joined and sent at once.
AT_ONCE_BYTES = 256 * 1024
#: Copying a body up to this is cheaper than one more write, which wakes the client once more.
COPIED_BYTES = 512 * 1024


async def send(
    handler: RequestHandler, pieces: AsyncIterator[bytes], size_bytes: int | None = None
) -> None:
    """Send the pieces as the body; `size_bytes` is the size of all together, if known.

    An error before the first piece becomes an error answer. After it the connection is closed, so
    that no client takes a part for the whole.
    """
    async with AsyncExitStack() as stack:
        if hasattr(pieces, "aclose"):
            await stack.enter_async_context(aclosing(cast(Any, pieces)))
        if handler.request.method == "HEAD":
            await _send_headers(handler, size_bytes)
        elif size_bytes is not None and size_bytes <= AT_ONCE_BYTES:
            handler.write(b"".join([piece async for piece in pieces]))
        else:
            await _send_all(handler, pieces, size_bytes)


async def each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces that are in memory already."""
    for piece in pieces:
        yield piece


async def send_ready(handler: RequestHandler, pieces: list[bytes]) -> None:
    """Send pieces that are all in memory; long ones are not joined, as copying costs too much."""
    size_bytes = sum(map(len, pieces))
    if size_bytes <= COPIED_BYTES:
        handler.write(b"".join(pieces))
    elif handler.request.method == "HEAD":
        await _send_headers(handler, size_bytes)
    else:
        handler.set_header("Content-Length", size_bytes)
        await _send_ready(handler, pieces)


async def _send_ready(handler: RequestHandler, pieces: list[bytes]) -> None:
    # Tornado copies what is sent together with the headers, but nothing after them.
    *between, last = pieces
    if between and len(between[0]) <= COPIED_BYTES:
        handler.write(between.pop(0))
    sent = handler.flush()
    try:
        for piece in between:
            await sent
            await take_turn()
            handler.write(piece)
            sent = handler.flush()
        await sent
        await take_turn()
        handler.write(last)
    except StreamClosedError:
        _log_client_gone(handler)


async def _send_headers(handler: RequestHandler, size_bytes: int | None) -> None:
    if size_bytes is not None:
        handler.set_header("Content-Length", size_bytes)
        return
    try:
        await handler.flush()  # or else Tornado would declare a length of 0
    except StreamClosedError:
        _log_client_gone(handler)


async def _send_all(
    handler: RequestHandler, pieces: AsyncIterator[bytes], size_bytes: int | None
) -> None:
    piece = await anext(pieces, b"")
    if size_bytes is not None:
        handler.set_header("Content-Length", size_bytes)
    try:
        while piece:
            handler.write(piece)
            await handler.flush()
            await take_turn()
            piece = await anext(pieces, b"")
    except StreamClosedError:
        _log_client_gone(handler)
    except Exception:
        log.exception(
            "Sending %s failed half-way",
            logged_path(handler.request.path),
            extra={"action": "streaming_failed"},
        )
        handler.detach().close()


def _log_client_gone(handler: RequestHandler) -> None:
    log.debug(
        "The client of %s disconnected",
        logged_path(handler.request.path),
        extra={"action": "client_gone"},
    )
