"""Answers that are sent piece by piece: the next piece is made when the last one is on its way."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

log = logging.getLogger(__name__)

#: Up to here an answer of known size is put together and sent at once.
AT_ONCE_BYTES = 256 * 1024
#: Up to here copying a body is cheaper than one more write, which wakes the client once more.
COPIED_BYTES = 512 * 1024


async def send(
    handler: RequestHandler, pieces: AsyncIterator[bytes], size_bytes: int | None = None
) -> None:
    """Send the pieces as the body, `size_bytes` together if that is known.

    An error before the first piece becomes an error answer. After it the connection is cut, so
    that no client takes a part for the whole.
    """
    async with AsyncExitStack() as stack:
        if hasattr(pieces, "aclose"):
            await stack.enter_async_context(aclosing(cast(Any, pieces)))
        if handler.request.method == "HEAD":
            await _send_head(handler, size_bytes)
        elif size_bytes is not None and size_bytes <= AT_ONCE_BYTES:
            handler.write(b"".join([piece async for piece in pieces]))
        else:
            await _send_all(handler, pieces, size_bytes)


async def send_ready(handler: RequestHandler, pieces: list[bytes]) -> None:
    """Send pieces that are all there; long ones as they are, as copying them costs too much."""
    size_bytes = sum(map(len, pieces))
    if size_bytes <= COPIED_BYTES:
        handler.write(b"".join(pieces))
    elif handler.request.method == "HEAD":
        await _send_head(handler, size_bytes)
    else:
        handler.set_header("Content-Length", size_bytes)
        await _send_ready(handler, pieces)


async def _send_ready(handler: RequestHandler, pieces: list[bytes]) -> None:
    # Tornado copies what is sent together with the head, but nothing that follows.
    *between, last = pieces
    if between and len(between[0]) <= COPIED_BYTES:
        handler.write(between.pop(0))
    sent = handler.flush()
    try:
        for piece in between:
            await sent
            handler.write(piece)
            sent = handler.flush()
        handler.write(last)
    except StreamClosedError:
        log.debug("The client of %s went away", handler.request.path)


async def _send_head(handler: RequestHandler, size_bytes: int | None) -> None:
    if size_bytes is None:
        await handler.flush()  # else Tornado would claim a length of 0
    else:
        handler.set_header("Content-Length", size_bytes)


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
            piece = await anext(pieces, b"")
    except StreamClosedError:
        log.debug("The client of %s went away", handler.request.path)
    except Exception:
        log.exception("Sending %s broke off", handler.request.path)
        handler.detach().close()
