"""Which lines of a log somebody wants: those of at least a level, with a text in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from server.logs.cache import Slice
from server.logs.entries import SEPARATOR

LEVELS = ("debug", "info", "warning", "error")

_decode = msgspec.json.Decoder(list[int | float | str | bool]).decode
#: A text that stands in JSON, and in lower case, as it is.
_PLAIN = re.compile(r"[ !#-\[\]-~]*", re.ASCII)


class Found(NamedTuple):
    """Entries with separators between, how many they are, and the last line looked at."""

    entries: bytes
    lines: int
    last: int


class LogFilter:
    """Whether an entry is of at least a level and has a text in it, without regard to case."""

    def __init__(self, level: str = "debug", q: str = "") -> None:
        graver = LEVELS[LEVELS.index(level) :]
        self._levels = frozenset(b'"%b"' % name.encode() for name in graver)
        self._every_level = level == "debug"
        self._q = q.casefold()
        self._plain = self._q.encode() if _PLAIN.fullmatch(self._q) else None
        self.everything = self._every_level and not q

    def take(self, part: Slice, most: int) -> Found:
        """The first entries of a slice that match, at most so many."""
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
        """The entries to look at. Where all is ASCII, what is not in the JSON is in no text."""
        if self._plain and entries.isascii():
            return _around(self._plain, entries.lower(), entries)
        return entries.split(SEPARATOR)

    def _matches(self, entry: bytes) -> bool:
        if not (self._every_level or entry.split(b",", 3)[2] in self._levels):
            return False
        return not self._q or self._q in str(_decode(entry)[3]).casefold()


_EVERYTHING = LogFilter()


def filter_of(level: str, q: str) -> LogFilter:
    """The filter; the one that tails ask for is ready."""
    return _EVERYTHING if level == "debug" and not q else LogFilter(level, q)


def _around(wanted: bytes, lower: bytes, entries: bytes) -> Iterator[bytes]:
    """Each entry that holds these bytes, being in lower case."""
    at = lower.find(wanted)
    while at >= 0:
        start = entries.rfind(b"\n", 0, at) + 1
        end = entries.find(SEPARATOR, at)
        end = len(entries) if end < 0 else end
        yield entries[start:end]
        at = lower.find(wanted, end)


def _number(entry: bytes) -> int:
    return int(entry[1 : entry.index(b",")])
