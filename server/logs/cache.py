"""The cached part of one log: slices of encoded entries, cut and joined by line numbers.

Which logs stay in memory is left to `known_logs`, what is stored to `logs`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate

from server.logs.entries import SEPARATOR

#: Memory that a slice takes besides its entries, and each line once it was cut, roughly.
SLICE_BYTES = 250
LINE_BYTES = 4
#: Chunks that one read of the store asks for: few when they are full, more when they are not.
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
        """The memory that it takes, roughly."""
        return len(self.entries) + SLICE_BYTES + LINE_BYTES * (self.last - self.first + 1)

    def after(self, line: int) -> Slice:
        """Return the part after a line, which must not be the last one."""
        if line < self.first:
            return self
        start = self._end(line) + len(SEPARATOR)
        return Slice(line + 1, self.last, self.entries[start:])

    def upto(self, line: int) -> Slice:
        """Return the part up to a line, which must not be before the first one."""
        if line >= self.last:
            return self
        return Slice(self.first, line, self.entries[: self._end(line)])

    def within(self, limit_bytes: int) -> Slice:
        """Return the entries from the first on that this many bytes hold, at least one."""
        if len(self.entries) <= limit_bytes:
            return self
        end = self.entries.rfind(SEPARATOR, 0, limit_bytes + len(SEPARATOR))
        if end < 0:
            end = self.entries.find(SEPARATOR)
        if end < 0:
            return self
        entries = self.entries[:end]
        return Slice(self.first, self.first + entries.count(SEPARATOR), entries)

    def _end(self, line: int) -> int:
        """Return where the entry of a line ends. Computed once, as slices are cut repeatedly."""
        if self._ends is None:
            lengths = map(len, self.entries.split(SEPARATOR))
            self._ends = array("I", accumulate(lengths))
        index = line - self.first
        return self._ends[index] + index * len(SEPARATOR)


class CachedSlices:
    """Slices of one log, ordered by line number, with or without gaps between them."""

    def __init__(self) -> None:
        self.size = 0
        #: how many chunks to load next
        self.chunks = LEAST_CHUNKS
        self._firsts: list[int] = []
        self._slices: list[Slice] = []
        #: first lines, those not read or written for longest first
        self._used: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._slices)

    def read(self, after: int, limit_bytes: int) -> Slice | None:
        """Return the cached entries right after a cursor, None when they are not cached."""
        index = bisect_right(self._firsts, after + 1) - 1
        if index >= 0 and self._slices[index].last > after:
            self._used.move_to_end(self._firsts[index])
            return joined(self._slices, index, after, limit_bytes)
        return None

    def add(self, new: Slice) -> None:
        """Add a slice, unless one with the same first line is cached."""
        index = bisect_right(self._firsts, new.first)
        if index and self._firsts[index - 1] == new.first:
            return
        self._firsts.insert(index, new.first)
        self._slices.insert(index, new)
        self._used[new.first] = None
        self.size += new.size

    def drop_oldest(self) -> int:
        """Drop the slice that was not used for longest and return how many bytes that frees."""
        first, _ = self._used.popitem(last=False)
        index = bisect_right(self._firsts, first) - 1
        del self._firsts[index]
        freed = self._slices.pop(index).size
        self.size -= freed
        return freed

    def adapt(self, loaded: list[Slice]) -> None:
        """Adapt the number of chunks to load next to what was just loaded."""
        if sum(part.size for part in loaded) > LOADED_BYTES:
            self.chunks = max(LEAST_CHUNKS, self.chunks // 4)
        elif len(loaded) == self.chunks:
            self.chunks = min(MOST_CHUNKS, self.chunks * 4)


def joined(slices: list[Slice], index: int, after: int, limit_bytes: int) -> Slice:
    """Return as one the slices from an index on that follow each other, cut at the cursor."""
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
