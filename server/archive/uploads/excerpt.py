"""What the examination of a file needs of it, kept on this machine while the rest is sent on.

Of a small file that is all of it. Of a large FITS file it is the headers, at their places in a file
of holes, as no pixel is read (FITS Standard 4.0, sections 3.1 and 4.4.1).
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import IO

#: A file up to this size is kept whole for as long as its upload takes; of others, so much.
HEAD_BYTES = 8 * 2**20
#: The unit of FITS files, and the longest header that is followed, in such units.
BLOCK_BYTES = 2880
MOST_BLOCKS = 4_000
_CARD_BYTES = 80
_NUMBER = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT) *= *([+-]?\d+)")
_COMPRESSED = (b"\x1f\x8b", b"\x1f\x9d", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")


class Excerpt:
    """A local file with what matters of a file that is written piece by piece. Blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("wb")
        self._start = b""
        self._size = 0
        self._headers = _Headers()

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        if len(self._start) < BLOCK_BYTES:
            self._start += piece[: BLOCK_BYTES - len(self._start)]
        self._file.write(piece[: max(0, HEAD_BYTES - self._size)])
        for offset, block in self._headers.blocks(piece):
            if offset + BLOCK_BYTES > HEAD_BYTES:
                self._file.seek(offset)
                self._file.write(block)
        self._size += len(piece)

    def finish(self) -> Path | None:
        """Return the file, as long as the whole one; None if it does not tell what that holds."""
        self._file.truncate(self._size)
        self._file.close()
        known = self._size <= HEAD_BYTES or not self._start.startswith(_COMPRESSED)
        return self.path if known else None

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # after a full disk, what is buffered cannot be written
            self._file.close()


class _Headers:
    """Finds the blocks of the headers in a FITS file that comes in pieces."""

    def __init__(self) -> None:
        self._at = 0
        #: where the next block of a header begins, None if there is none any more
        self._next: int | None = 0
        self._block = b""
        self._header: list[bytes] = []
        #: how many headers have ended
        self._ended = 0

    def blocks(self, piece: bytes) -> list[tuple[int, bytes]]:
        """Return the blocks that are complete with this piece, each with its offset."""
        found = []
        end = self._at + len(piece)
        while self._next is not None and (start := self._next + len(self._block)) < end:
            wanted = BLOCK_BYTES - len(self._block)
            offset = start - self._at
            self._block += piece[offset : offset + wanted]
            if len(self._block) < BLOCK_BYTES:
                break
            found.append((self._next, self._block))
            self._follow()
        self._at = end
        return found

    def _follow(self) -> None:
        """Find out where the block after this one is."""
        place, block = self._next or 0, self._block
        self._block = b""
        self._header.append(block)
        begins = b"XTENSION" if self._ended else b"SIMPLE  "
        if not self._header[0].startswith(begins) or len(self._header) > MOST_BLOCKS:
            self._next = None
        elif any(block[at : at + 8] == b"END     " for at in range(0, BLOCK_BYTES, _CARD_BYTES)):
            self._next = place + BLOCK_BYTES + _padded(_data_bytes(b"".join(self._header)))
            self._header = []
            self._ended += 1
        else:
            self._next = place + BLOCK_BYTES


def _data_bytes(header: bytes) -> int:
    """Return the size of the data that follow a header, 0 where it does not tell."""
    numbers: dict[bytes, int] = {}
    for at in range(0, len(header), _CARD_BYTES):
        if found := _NUMBER.match(header[at : at + _CARD_BYTES]):
            numbers.setdefault(found[1], int(found[2]))
    most = min(numbers.get(b"NAXIS", 0), 999)
    axes = [numbers.get(b"NAXIS%d" % axis, 0) for axis in range(1, most + 1)]
    if not axes:
        return 0
    groups = axes[0] == 0 and len(axes) > 1  # random groups: the first axis does not count
    count = 1
    for axis in axes[1:] if groups else axes:
        count *= axis
    count = numbers.get(b"GCOUNT", 1) * (numbers.get(b"PCOUNT", 0) + count)
    return max(0, abs(numbers.get(b"BITPIX", 8)) // 8 * count)


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
