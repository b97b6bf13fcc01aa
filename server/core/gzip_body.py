"""Gzip bodies made of parts (RFC 1951 and 1952), so that what does not change is compressed once.

A body is a head, a text and a tail. The text may be long and grow, and is compressed as it comes.
Head and tail are short and change, and are added as they are, in stored blocks.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from typing import Any

from zlib_ng.zlib_ng import crc32_combine

#: Higher levels cost several times as much and save a few percent.
LEVEL = 5
#: More than this takes over a millisecond, and is compressed in a thread.
AT_ONCE_BYTES = 32_768
PIECE_BYTES = 524_288
#: What zlib holds as long as it may have to go on compressing, about.
ZLIB_BYTES = 268_000

_STORED_BYTES = 65_535
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class Pieces:
    """Bytes that grow at the end, in pieces that never change once they are taken."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Append data."""
        self.size += len(data)
        if self.pieces and len(self.pieces[-1]) + len(data) <= PIECE_BYTES:
            self.pieces[-1] += data
        elif data:
            self.pieces.append(data)

    def behind(self, start: int) -> Iterator[bytes]:
        """Iterate over what follows the first `start` bytes."""
        for piece in self.pieces:
            if start < len(piece):
                yield piece[start:]
            start = max(0, start - len(piece))


class Deflated:
    """A text that is added piece by piece, compressed."""

    def __init__(self) -> None:
        self._compressor: Any = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._packed = Pieces()
        self.text_bytes = 0
        self._crc = 0

    @property
    def size(self) -> int:
        """The memory that it takes, in bytes, about."""
        return self._packed.size + (ZLIB_BYTES if self._compressor else 0)

    def end(self) -> None:
        """Free what zlib holds; nothing can be added after this."""
        self._compressor = None

    async def add(self, text: bytes) -> None:
        """Compress more text; one call at a time."""
        if len(text) <= AT_ONCE_BYTES:
            self._add(text)
        else:
            await asyncio.to_thread(self._add, text)

    def _add(self, text: bytes) -> None:
        # Flushed to a whole byte, so that it can be sent and stored blocks can follow.
        self._packed.add(
            self._compressor.compress(text) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        )
        self.text_bytes += len(text)
        self._crc = zlib.crc32(text, self._crc)

    def body(self, head: bytes, tail: bytes) -> list[bytes]:
        """Return head, text and tail as gzip, in pieces."""
        crc = zlib.crc32(tail, crc32_combine(zlib.crc32(head), self._crc, self.text_bytes))
        size = len(head) + self.text_bytes + len(tail)
        end = crc.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")
        first = _HEADER + b"".join(_stored(head))
        return [first, *self._packed.pieces, b"".join(_stored(tail, last=True)) + end]


def _stored(data: bytes, last: bool = False) -> Iterator[bytes]:
    """Iterate over the data in blocks that are not compressed (RFC 1951, 3.2.4)."""
    for start in range(0, len(data) or 1, _STORED_BYTES):
        block = data[start : start + _STORED_BYTES]
        final = last and start + _STORED_BYTES >= len(data)
        yield bytes([final]) + len(block).to_bytes(2, "little")
        yield (len(block) ^ 0xFFFF).to_bytes(2, "little") + block
