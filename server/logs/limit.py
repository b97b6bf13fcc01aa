"""The limit on the log of a run: what exceeds it is counted and not stored.

The server's own lines are not subject to it: they are always stored.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from server.logs.entries import SEPARATOR, Line, encode_entries

#: Most bytes in JSON of an entry without its text, and of one character of the text.
ENTRY_BYTES = 80
CHARACTER_BYTES = 6
#: A line number with as many digits as any has.
LARGE_NUMBER = 10**9


class LogLimit:
    """Admits lines as long as the stored entries of the log stay within `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        #: whether nothing more is admitted
        self.reached = False
        self._lines = 0
        self._bytes = 0

    def admit(self, lines: list[Line], characters: int, used_bytes: int) -> list[Line]:
        """Return those of the lines that are to be stored; `characters` is their total length.

        A notice follows the last line that fits. `used_bytes` is the present size of the log.
        """
        room = self._limit_bytes - used_bytes
        if not self.reached and CHARACTER_BYTES * characters + ENTRY_BYTES * len(lines) <= room:
            return lines  # by far the most frequent case, recognised without encoding
        fitting = 0 if self.reached else _fitting(lines, room)
        if fitting == len(lines):
            return lines
        for line in lines[fitting:]:
            self.leave_out(line.text if line.unended else f"{line.text}\n")
        if self.reached:
            return []
        self.reached = True
        return [*lines[:fitting], Line(time.time(), "warning", self._notice())]

    def leave_out(self, text: str) -> None:
        """Count text that is not stored."""
        self._lines += text.count("\n")
        self._bytes += _size(text)

    def summary(self) -> str | None:
        """Return a sentence about what was left out, None when nothing was."""
        if not self.reached:
            return None
        return (
            f"The log's limit of {self._limit_bytes} bytes was reached: "
            f"{self._lines} lines ({self._bytes} bytes) were not stored"
        )

    def _notice(self) -> str:
        return (
            f"The log has reached its limit of {self._limit_bytes} bytes (limits.log_bytes): "
            "what follows is counted and not stored"
        )


def _fitting(lines: Sequence[Line], room: int) -> int:
    """Return how many of the lines fit."""
    for count, line in enumerate(lines):
        room -= len(encode_entries(LARGE_NUMBER, [line])) + len(SEPARATOR)
        if room < 0:
            return count
    return len(lines)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
