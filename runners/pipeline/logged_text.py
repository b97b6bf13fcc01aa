"""The text that a run has logged so far, as a pipeline of tom_education reads and extends it."""

from __future__ import annotations

from collections import deque

#: How many of the last characters are kept: a log has no bound, memory has.
MOST_CHARACTERS = 2**20


class LoggedText:
    """The last of what was logged."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._length = 0
        self._read = ""

    def add(self, text: str) -> None:
        """Keep text, and forget as much of the oldest."""
        self._pieces.append(text)
        self._length += len(text)
        while self._length > MOST_CHARACTERS and len(self._pieces) > 1:
            self._length -= len(self._pieces.popleft())
        if self._length > MOST_CHARACTERS:
            self._pieces[0] = self._pieces[0][-MOST_CHARACTERS:]
            self._length = MOST_CHARACTERS

    def text(self) -> str:
        """Return what is kept."""
        self._read = "".join(self._pieces)
        self._pieces = deque([self._read] if self._read else [])
        return self._read

    def added_by(self, value: str) -> str:
        """Return what a new value adds to what was read before: what is logged stays logged."""
        if value.startswith(self._read):
            return value[len(self._read) :]
        return "" if value in self._read else value
