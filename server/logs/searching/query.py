"""What a reader asks of lines: at least a level, and a text that is seen in them.

Case is ignored, as `str.casefold` does. What the eye does not see, such as escape sequences, is
left out of a text before it is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from server.core.records import LEVELS
from server.logs.terminal_text import has_controls

#: Returns what a terminal would show of a line.
VisibleText = Callable[[str], str]

_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_ROW_END = b"\x1e"


class Query:
    """Lines of at least a level that contain a text."""

    def __init__(
        self, level: str = "debug", q: str = "", visible_text: VisibleText | None = None
    ) -> None:
        self.lowest = LEVELS.index(level)
        # What was copied from a download is found as well as what is seen: a text may be either.
        self.q = (visible_text(q) or q if visible_text else q).casefold()
        self.folded = self.q.encode()
        self.everything = not self.lowest and not q
        self._visible_text = visible_text

    def fold(self, text: bytes) -> bytes:
        """Return lines as they are compared: what is seen of them, without regard to case.

        Line ends stay where they are.
        """
        text = self._seen(text)
        return text.lower() if text.isascii() else text.decode().casefold().encode()

    def matches(self, level: int, text: bytes) -> bool:
        """Tell whether a single line matches, given the place of its level in `LEVELS`."""
        return level >= self.lowest and (not self.folded or self.folded in self.fold(text))

    def _seen(self, text: bytes) -> bytes:
        if self._visible_text is None or not has_controls(text):
            return text
        return b"\n".join([self._seen_of(line) for line in text.split(b"\n")])

    def _seen_of(self, line: bytes) -> bytes:
        if not has_controls(line):
            return line
        plain = _COLOUR.sub(b"", line)  # by far the most frequent sequences
        if not has_controls(plain):
            return plain
        assert self._visible_text is not None
        # It may take several rows, but stays one line.
        return self._visible_text(line.decode()).encode().replace(b"\n", _ROW_END)
