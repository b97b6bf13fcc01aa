"""A block of a segment: some thousand lines, column by column, each column compressed by itself.

The first column is the text, byte for byte what `logs.txt` sends; the second (`aside`), the runs of
equal levels and the entries without a line end; the third, the times. In a file, a block is a head
of five numbers and the three compressed columns. Entries that would not come back as the same JSON
bytes are kept as they are, in place of the text.
"""

from __future__ import annotations

import re
import struct
import threading
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import zstandard

from server.core.records import LEVELS
from server.logs.cache import Slice
from server.logs.entries import SEPARATOR
from server.logs.segments.index import BlockIndex, Counts
from server.logs.segments.times import pack_times, unpack_times

#: Level 3, but for matches of 7 bytes and more. Measured on lines of 60 characters: it decompresses
#: 1.1 times as fast, and takes no more room. Level 6 saves up to 4 % of the room and takes four
#: times as long, while a pipeline may write.
COMPRESSION = zstandard.ZstdCompressionParameters.from_level(
    3,
    strategy=zstandard.STRATEGY_DFAST,
    min_match=7,
    write_checksum=True,
    write_content_size=True,
)
#: No column of a block is larger: a damaged size must not cost memory.
LONGEST_COLUMN = 64 * 1024**2

_HEAD = struct.Struct("<5I")
_COLUMNS, _ENTRIES = 1, 2
_NUMBER: dict[str, int] = {name: number for number, name in enumerate(LEVELS)}

#: A stretch of equal bytes.
_RUN = re.compile(rb"(.)\1*", re.DOTALL)


class _Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An entry as it stands in the JSON: decoded much faster than a list is."""

    number: int
    time: float
    level: str
    text: str
    unended: bool = False


_encode_lines = msgspec.json.Encoder().encode_lines
_decode_entries = msgspec.json.Decoder(list[_Entry]).decode


class DamagedBlock(ValueError):
    """The bytes are not those of the block."""


class Unended(NamedTuple):
    """An entry without a line end: its place among the lines, and its bytes in the text."""

    line: int
    start: int
    stop: int


class Block:
    """The lines of a block; what a reader does not ask for is not decompressed."""

    def __init__(self, index: BlockIndex, data: bytes) -> None:
        self.index = index
        try:
            kind, *sizes = _HEAD.unpack_from(data)
            if kind not in (_COLUMNS, _ENTRIES) or sum(sizes[:3]) + _HEAD.size != len(data):
                raise DamagedBlock("the sizes do not add up")
            middle, end = _HEAD.size + sizes[0], _HEAD.size + sizes[0] + sizes[1]
            text = _decompress(data[_HEAD.size : middle])
            self._aside, self._times = data[middle:end], data[end:]
            self._plain = kind == _COLUMNS
            self._entries = b"" if self._plain else text
            self.text = text if self._plain else _columns(_decode_entries(b"[%b]" % text)).text
            if len(self.text) != index.text_bytes or sizes[3] != index.lines:
                raise DamagedBlock("the file has another block there")
            self.levels, self.unended = _unpack_aside(_decompress(self._aside))
            if len(self.levels) != index.lines:
                raise DamagedBlock("the number of levels is wrong")
        except (struct.error, zstandard.ZstdError, msgspec.MsgspecError, IndexError) as error:
            raise DamagedBlock(str(error)) from error

    @property
    def size(self) -> int:
        """The memory that it takes, roughly."""
        return len(self.text) + len(self._entries) + len(self.levels) + len(self._times) + 500

    def texts(self) -> list[bytes]:
        """Return the text of each line, without line ends."""
        return split_texts(self.text, self.unended)

    def text_of(self, start: int, stop: int) -> bytes:
        """Return the text of the lines from one place to before another, with line ends."""
        if start == 0 and stop == len(self.levels):
            return self.text
        unended = {each.line for each in self.unended}
        texts = enumerate(self.texts()[start:stop], start)
        return b"".join([text if at in unended else text + b"\n" for at, text in texts])

    def times(self) -> array[float]:
        """Return the time of each line."""
        try:
            times = unpack_times(_decompress(self._times))
        except (zstandard.ZstdError, ValueError, OverflowError) as error:
            raise DamagedBlock(str(error)) from error
        if len(times) != len(self.levels):
            raise DamagedBlock("the number of times is wrong")
        return times

    def entries(self) -> bytes:
        """Return all entries, with separators between them."""
        if self._entries:
            return self._entries
        return self._encoded(range(len(self.levels)), [text.decode() for text in self.texts()])

    def entries_of(self, lines: Sequence[int], texts: Sequence[bytes]) -> bytes:
        """Return the entries of some lines, given by their places; `texts` are all texts."""
        if self._entries:
            every = self._entries.split(SEPARATOR)
            return SEPARATOR.join([every[line] for line in lines])
        return self._encoded(lines, [texts[line].decode() for line in lines])

    def _encoded(self, lines: Sequence[int], texts: Sequence[str]) -> bytes:
        return encode_columns(
            self.index.first, lines, self.times(), self.levels, texts, self.unended
        )


class _Columns(NamedTuple):
    text: bytes
    unended: list[Unended]
    levels: bytes
    times: list[float]


def encode_columns(
    first: int,
    lines: Sequence[int],
    times: Sequence[float],
    levels: bytes,
    texts: Sequence[str],
    unended: Sequence[Unended],
) -> bytes:
    """Return the entries of the lines at these places; `texts` are theirs, in the same order."""
    without = {each.line for each in unended}
    numbered: list[tuple[int | float | str | bool, ...]] = [
        (first + line, times[line], LEVELS[levels[line]], text)
        for line, text in zip(lines, texts, strict=True)
    ]
    if without:
        for at, line in enumerate(lines):
            if line in without:
                numbered[at] = (*numbered[at], True)
    return _encode_lines(numbered)[:-1].replace(b"\n", SEPARATOR)


def text_of_block(index: BlockIndex, data: bytes) -> bytes:
    """Return the text of a whole block, of which nothing else is decompressed."""
    try:
        kind, *sizes = _HEAD.unpack_from(data)
        if kind != _COLUMNS or sum(sizes[:3]) + _HEAD.size != len(data):
            return Block(index, data).text
        text = _decompress(data[_HEAD.size : _HEAD.size + sizes[0]])
    except (struct.error, zstandard.ZstdError) as error:
        raise DamagedBlock(str(error)) from error
    if len(text) != index.text_bytes or sizes[3] != index.lines:
        raise DamagedBlock("it is another block")
    return text


def split_texts(text: bytes, unended: Iterable[Unended]) -> list[bytes]:
    """Return the text of each line, without line ends."""
    found: list[bytes] = []
    at = 0
    for each in unended:
        found += text[at : each.start].split(b"\n")[:-1]
        found.append(text[each.start : each.stop])
        at = each.stop
    return found + text[at:].split(b"\n")[:-1]


def encode_block(offset: int, parts: Sequence[Slice]) -> tuple[bytes, BlockIndex]:
    """Return consecutive entries as a block for a place in a file, and its index."""
    stored = SEPARATOR.join([part.entries for part in parts])
    entries = [entry for part in parts for entry in _decode_entries(b"[%b]" % part.entries)]
    columns = _columns(entries)
    kept = _COLUMNS if _returns(parts[0].first, entries, columns, stored) else _ENTRIES
    text = _compress(columns.text if kept == _COLUMNS else stored)
    aside = _compress(_pack_aside(columns.levels, columns.unended))
    times = _compress(pack_times(columns.times))
    head = _HEAD.pack(kept, len(text), len(aside), len(times), len(columns.levels))
    data = head + text + aside + times
    counts = count_levels(columns.levels)
    return data, BlockIndex(offset, len(data), parts[0].first, len(columns.text), counts)


def count_levels(levels: bytes) -> Counts:
    """Return how many lines there are of each level."""
    return tuple(levels.count(number) for number in range(len(LEVELS)))


def _columns(entries: Sequence[_Entry]) -> _Columns:
    levels = bytes([_NUMBER[entry.level] for entry in entries])
    times = [entry.time for entry in entries]
    if True in [entry.unended for entry in entries]:
        return _Columns(*_texts(entries), levels=levels, times=times)
    texts = [entry.text for entry in entries]
    return _Columns("\n".join([*texts, ""]).encode(), [], levels, times)


def _texts(entries: Sequence[_Entry]) -> tuple[bytes, list[Unended]]:
    """Return the text of entries of which some have no line end."""
    texts: list[bytes] = []
    unended: list[Unended] = []
    at = 0
    for line, entry in enumerate(entries):
        text = entry.text.encode()
        if entry.unended:
            unended.append(Unended(line, at, at + len(text)))
        else:
            text += b"\n"
        at += len(text)
        texts.append(text)
    return b"".join(texts), unended


def _returns(first: int, entries: Sequence[_Entry], columns: _Columns, stored: bytes) -> bool:
    """Tell whether the columns come back as the same bytes.

    They do if the entries do, and if these can be told from the columns: by their place, and by
    the line ends in the text.
    """
    if [entry.number for entry in entries] != list(range(first, first + len(entries))):
        return False
    unended = columns.unended
    inside = sum([columns.text.count(b"\n", each.start, each.stop) for each in unended])
    if columns.text.count(b"\n") - inside != len(entries) - len(unended):
        return False  # a text has a line end in it
    # A line end in a text is escaped, so this is found at the ends of entries alone.
    encoded = _encode_lines(entries).replace(b",false]\n", b"]\n")
    return encoded[:-1].replace(b"\n", SEPARATOR) == stored


def _pack_aside(levels: bytes, unended: Sequence[Unended]) -> bytes:
    runs = [(run[0][0], run.end() - run.start()) for run in _RUN.finditer(levels)]
    numbers = [len(runs), *(number for run in runs for number in run)]
    line = at = 0
    for each in unended:  # as differences, which are small
        numbers += [each.line - line, each.start - at, each.stop - each.start]
        line, at = each.line, each.stop
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _unpack_aside(packed: bytes) -> tuple[bytes, list[Unended]]:
    numbers = struct.unpack(f"<{len(packed) // 4}I", packed)
    end = 1 + 2 * numbers[0]
    runs = zip(numbers[1:end:2], numbers[2:end:2], strict=True)
    levels = b"".join([_LEVEL_BYTES[level] * count for level, count in runs])
    unended: list[Unended] = []
    line = at = 0
    for place in range(end, len(numbers), 3):
        line, start = line + numbers[place], at + numbers[place + 1]
        at = start + numbers[place + 2]
        unended.append(Unended(line, start, at))
    return levels, unended


_LEVEL_BYTES = [bytes([number]) for number in range(len(LEVELS))]
_own = threading.local()


def _compress(column: bytes) -> bytes:
    """Compress a column. The compressors keep a checksum; one belongs to one thread."""
    if not hasattr(_own, "compressor"):
        _own.compressor = zstandard.ZstdCompressor(compression_params=COMPRESSION)
    compressed: bytes = _own.compressor.compress(column)
    return compressed


def _decompress(column: bytes) -> bytes:
    if not 0 <= zstandard.frame_content_size(column) <= LONGEST_COLUMN:
        raise DamagedBlock("a column is too long")
    if not hasattr(_own, "decompressor"):
        _own.decompressor = zstandard.ZstdDecompressor()
    text: bytes = _own.decompressor.decompress(column)
    return text
