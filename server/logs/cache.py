"""What of one log is in memory: slices of ready entries, cut and joined by line numbers.

Which logs stay in memory, and what is stored, is left to `logs`.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_right
from itertools import accumulate

from server.logs.entries import SEPARATOR

#: What a slice takes in memory besides its entries, about, and each line once it was cut.
SLICE_BYTES = 250
LINE_BYTES = 4
#: Chunks that one reading of the store asks for: few when they are full, more when they are not.
LEAST_CHUNKS, MOST_CHUNKS = 32, 1_024
LOADED_BYTES = 2**20


class Slice:
    """Consecutive entries, the inside of a JSON array: lines `first` to `last`."""

    __slots__ = ("_ends", "entries", "first", "last")

    def __init__(self, first: int, last: int, entries: bytes) -> None:
        self.first = first
        self.last = last
        self.entries = entries
        self._ends: array[int] | None = None

    @property
    def size(self) -> int:
        """How much memory it takes, about."""
        return len(self.entries) + SLICE_BYTES + LINE_BYTES * (self.last - self.first + 1)

    def after(self, line: int) -> Slice:
        """The part behind a line, which is not the last."""
        if line < self.first:
            return self
        start = self._end(line) + len(SEPARATOR)
        return Slice(line + 1, self.last, self.entries[start:])

    def upto(self, line: int) -> Slice:
        """The part up to a line, which is not before the first."""
        if line >= self.last:
            return self
        return Slice(self.first, line, self.entries[: self._end(line)])

    def _end(self, line: int) -> int:
        """Where the entry of a line ends. Looked for once, as the same slice is cut again."""
        if self._ends is None:
            lengths = map(len, self.entries.split(SEPARATOR))
            self._ends = array("I", accumulate(lengths))
        index = line - self.first
        return self._ends[index] + index * len(SEPARATOR)


class KnownLog:
    """The last line known to be stored, how long all entries are, and some of the slices."""

    def __init__(self, last: int, log_bytes: int = 0) -> None:
        self.last = last
        self.log_bytes = log_bytes
        #: whether this server is the one that writes it
        self.written = False
        #: how often we were told that another server may have written to it, and which of these
        #: times we have looked for its end since; who has just read it may have been told meanwhile
        self.told, self.looked = 1, 0
        self.lock = asyncio.Lock()
        self.size = 0
        self.chunks = LEAST_CHUNKS
        self._firsts: list[int] = []
        self._slices: list[Slice] = []

    def __len__(self) -> int:
        return len(self._slices)

    @property
    def stale(self) -> bool:
        """Whether another server may have written to it since we looked."""
        return self.looked < self.told

    def read(self, after: int, limit_bytes: int) -> Slice | None:
        """What is in memory right behind a cursor, or None."""
        index = bisect_right(self._firsts, after + 1) - 1
        if index >= 0 and self._slices[index].last > after:
            return joined(self._slices, index, after, limit_bytes)
        return None

    def keep(self, new: Slice) -> None:
        """Keep a slice."""
        index = bisect_right(self._firsts, new.first)
        if index and self._firsts[index - 1] == new.first:
            return
        self._firsts.insert(index, new.first)
        self._slices.insert(index, new)
        self.size += new.size

    def forget_oldest(self) -> int:
        """Forget the slice of the lowest numbers; how many bytes that frees."""
        del self._firsts[0]
        freed = self._slices.pop(0).size
        self.size -= freed
        return freed

    def loaded(self, slices: list[Slice]) -> None:
        """Learn from a reading of the store how many chunks to ask for the next time."""
        if sum(part.size for part in slices) > LOADED_BYTES:
            self.chunks = max(LEAST_CHUNKS, self.chunks // 4)
        elif len(slices) == self.chunks:
            self.chunks = min(MOST_CHUNKS, self.chunks * 4)


def joined(slices: list[Slice], index: int, after: int, limit_bytes: int) -> Slice:
    """The slices from an index on that follow each other, cut at the cursor, as one."""
    start = slices[index].after(after)
    last, size = start.last, len(start.entries)
    stop = index + 1
    while stop < len(slices) and slices[stop].first == last + 1:
        last, size = slices[stop].last, size + len(slices[stop].entries)
        if size > limit_bytes:
            break
        stop += 1
    if stop == index + 1:
        return start
    parts = [start.entries, *(part.entries for part in slices[index + 1 : stop])]
    return Slice(start.first, slices[stop - 1].last, SEPARATOR.join(parts))
