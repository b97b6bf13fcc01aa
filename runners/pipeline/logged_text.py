"""The text that a run has logged so far, as a pipeline of tom_education reads and extends it."""

from __future__ import annotations

#: How many of the last characters are kept: a log has no bound, memory has.
MOST_CHARACTERS = 2**20


class LoggedText:
    """The last of what was logged."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._read = ""

    def add(self, text: str) -> None:
        """Keep text, and now and then forget what is too old: every line of a log passes here."""
        self._pieces.append(text)
        self._length += len(text)
        if self._length > 2 * MOST_CHARACTERS:
            self._join()

    def text(self) -> str:
        """Return what is kept."""
        self._read = self._join()
        return self._read

    def _join(self) -> str:
        kept = "".join(self._pieces)[-MOST_CHARACTERS:]
        self._pieces, self._length = [kept], len(kept)
        return kept

    def added_by(self, value: str) -> str:
        """Return what a new value adds to what was read before: what is logged stays logged."""
        if value.startswith(self._read):
            return value[len(self._read) :]
        return "" if value in self._read else value
