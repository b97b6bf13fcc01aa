"""Compression for clients that accept it (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from tornado.web import RequestHandler

#: A smaller body fits into a packet or two anyway.
MIN_BYTES = 1024
#: A larger body takes over a millisecond, and is compressed in a thread.
IN_LOOP_BYTES = 32_768
#: Higher levels cost several times as much and save a few percent.
LEVEL = 5

_REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0+)?\s*(,|$)")


def accepts_gzip(handler: RequestHandler) -> bool:
    """Return whether the client accepts gzip."""
    accepted = handler.request.headers.get("Accept-Encoding")
    if accepted is None:
        return False
    accepted = accepted.lower()
    return "gzip" in accepted and _REFUSED.search(accepted) is None


def compressed(handler: RequestHandler, body: bytes) -> bytes:
    """Return the body as it is to be sent, and set the header to match."""
    if len(body) < MIN_BYTES or not accepts_gzip(handler):
        return body
    handler.set_header("Content-Encoding", "gzip")
    return gzipped(body)


async def compressed_in_thread(handler: RequestHandler, body: bytes) -> bytes:
    """Do as `compressed` does, but compress a long body in a thread."""
    if len(body) > IN_LOOP_BYTES and accepts_gzip(handler):
        handler.set_header("Content-Encoding", "gzip")
        return await asyncio.to_thread(gzipped, body)
    return compressed(handler, body)


def compressed_pieces(
    handler: RequestHandler, pieces: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Return the pieces of a body as they are to be sent, and set the header to match."""
    if not accepts_gzip(handler):
        return pieces
    handler.set_header("Content-Encoding", "gzip")
    return _gzipped_pieces(pieces)


async def _gzipped_pieces(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    async with aclosing(cast(Any, pieces)):
        async for piece in pieces:
            if len(piece) > IN_LOOP_BYTES:
                packed = await asyncio.to_thread(compressor.compress, piece)
            else:
                packed = compressor.compress(piece)
            if packed:
                yield packed
    yield compressor.flush()


def gzipped(body: bytes, level: int = LEVEL) -> bytes:
    """Return the body compressed, the same bytes each time."""
    return gzip.compress(body, level, mtime=0)
