"""Filters of log lines: at least a level, and a text that they contain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from server.core.records import LEVELS
from server.logs.cache import Slice
from server.logs.entries import SEPARATOR

_decode = msgspec.json.Decoder(list[int | float | str | bool]).decode
#: A text that neither JSON nor lowercasing in ASCII encodes differently.
_PLAIN = re.compile(r"[ !#-\[\]-~]*", re.ASCII)


class Found(NamedTuple):
    """Matching entries with separators between them, their number, and the last line examined."""

    entries: bytes
    lines: int
    last: int


class LogFilter:
    """Matches entries of at least a level that contain a text, ignoring case."""

    def __init__(self, level: str = "debug", q: str = "") -> None:
        graver = LEVELS[LEVELS.index(level) :]
        self._levels = frozenset(b'"%b"' % name.encode() for name in graver)
        self._every_level = level == "debug"
        self._q = q.casefold()
        self._plain = self._q.encode() if _PLAIN.fullmatch(self._q) else None
        self.everything = self._every_level and not q

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

    def _likely(self, entries: bytes) -> Iterable[bytes]:
        """Return the entries that may match: in ASCII, only those whose JSON contains the text."""
        if self._plain and entries.isascii():
            return _containing(self._plain, entries.lower(), entries)
        return entries.split(SEPARATOR)

    def _matches(self, entry: bytes) -> bool:
        if not (self._every_level or entry.split(b",", 3)[2] in self._levels):
            return False
        return not self._q or self._q in str(_decode(entry)[3]).casefold()


_EVERYTHING = LogFilter()


def filter_of(level: str, q: str) -> LogFilter:
    """Return a filter; the one that lets everything through is shared."""
    return _EVERYTHING if level == "debug" and not q else LogFilter(level, q)


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
