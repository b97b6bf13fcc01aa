"""Filters of the entries of a slice: at least a level, and a text that they contain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from server.core.records import LEVELS
from server.logs.cache import Slice
from server.logs.entries import SEPARATOR
from server.logs.searching.query import Query, VisibleText

_decode = msgspec.json.Decoder(list[int | float | str | bool]).decode
#: A text that neither JSON nor lowercasing in ASCII encodes differently.
_PLAIN = re.compile(rb"[ !#-\[\]-~]*")
#: How JSON has the characters that a terminal obeys.
_ESCAPED = (b"\\u00", b"\\r", b"\\b")
_LEVEL_PLACES = {b'"%b"' % name.encode(): place for place, name in enumerate(LEVELS)}


class Found(NamedTuple):
    """Matching entries with separators between them, their number, and the last line examined.

    Backwards, that is the lowest line examined.
    """

    entries: bytes
    lines: int
    last: int


class LogFilter:
    """Matches entries of at least a level that contain a text, ignoring case."""

    def __init__(
        self, level: str = "debug", q: str = "", visible_text: VisibleText | None = None
    ) -> None:
        self.query = Query(level, q, visible_text)
        self.everything = self.query.everything
        # A text may look the same, so what contains one of these is looked at.
        self._level_names = [b',"%b",' % name.encode() for name in LEVELS[self.query.lowest :]]
        self._plain = _PLAIN.fullmatch(self.query.folded) and self.query.folded

    def take(self, part: Slice, most: int) -> Found:
        """Return the first entries of a slice that match, at most `most` of them."""
        if self.everything:
            part = part.upto(part.first + most - 1)
            return Found(part.entries, part.last - part.first + 1, part.last)
        found: list[bytes] = []
        for entry in self._likely(part.entries):
            if self._matches(entry):
                found.append(entry)
                if len(found) == most:
                    return Found(SEPARATOR.join(found), most, _number(entry))
        return Found(SEPARATOR.join(found), len(found), part.last)

    def take_last(self, part: Slice, most: int) -> Found:
        """Return the last entries of a slice that match, at most `most` of them."""
        if self.everything:
            part = part.after(part.last - most)
            return Found(part.entries, part.last - part.first + 1, part.first)
        found = [entry for entry in self._likely(part.entries) if self._matches(entry)]
        end = _number(found[-most]) if len(found) >= most else part.first
        return Found(SEPARATOR.join(found[-most:]), min(most, len(found)), end)

    def _likely(self, entries: bytes) -> Iterable[bytes]:
        """Return the entries that may match, found by their JSON as far as it can tell.

        In ASCII, only those match whose JSON contains the text. That does not hold where a terminal
        would show something else than the text.
        """
        if self._plain and entries.isascii() and not _obeyed(entries):
            return _containing(self._plain, entries.lower(), entries)
        if not self.query.folded and not any(name in entries for name in self._level_names):
            return ()
        if not self.query.folded and len(self._level_names) == 1:
            return _containing(self._level_names[0], entries, entries)
        return entries.split(SEPARATOR)

    def _matches(self, entry: bytes) -> bool:
        level = _LEVEL_PLACES[entry.split(b",", 3)[2]]
        if level < self.query.lowest or not self.query.folded:
            return level >= self.query.lowest
        return self.query.matches(level, str(_decode(entry)[3]).encode())


_EVERYTHING = LogFilter()


def filter_of(level: str, q: str, visible_text: VisibleText | None = None) -> LogFilter:
    """Return a filter; the one that lets everything through is shared."""
    return _EVERYTHING if level == "debug" and not q else LogFilter(level, q, visible_text)


def count_levels(entries: bytes) -> list[int]:
    """Return how many of the entries are of each level, in the order of `LEVELS`."""
    counts = [0] * len(LEVELS)
    for entry in entries.split(SEPARATOR):
        counts[_LEVEL_PLACES[entry.split(b",", 3)[2]]] += 1
    return counts


def _obeyed(entries: bytes) -> bool:
    """Tell whether the entries have characters that a terminal obeys."""
    # Most logs have no backslash at all, which is found out ten times as fast.
    return b"\\" in entries and any(each in entries for each in _ESCAPED)


def _containing(wanted: bytes, lower: bytes, entries: bytes) -> Iterator[bytes]:
    """Yield each entry that contains these bytes; `lower` is `entries` in lower case."""
    at = lower.find(wanted)
    while at >= 0:
        start = entries.rfind(b"\n", 0, at) + 1
        end = entries.find(SEPARATOR, at)
        end = len(entries) if end < 0 else end
        yield entries[start:end]
        at = lower.find(wanted, end)


def _number(entry: bytes) -> int:
    return int(entry[1 : entry.index(b",")])
