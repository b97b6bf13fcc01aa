r"""What a terminal shows of a text: escape sequences act or vanish, `\r` and backspace overwrite.

The grammar is that of ECMA-48, 5th edition, with the strings ended by BEL that xterm reads. The
page's `static/log/terminal/` does the same in colour; `tests/samples/terminal_text.json` checks
both. Each code point takes one column, and the time is linear in the length of the text.
"""

from __future__ import annotations

import re

#: Controls that direct text: marks, embeddings, overrides and isolates.
_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
#: The farthest that a sequence moves the cursor, to the right and up: a text costs what it is long.
COLUMNS_LIMIT = 4096
ROWS_LIMIT = 100

_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{''.join(map(chr, _BIDI))}]")
_C1 = re.compile("[\x80-\x9f]")
#: UTF-8 that was read as Latin-1 and encoded once more. What looks like C1 controls is not.
_MISREAD = re.compile("[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_PICTURES = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "\u2421"}
#: What is shown in place of a control that has no part in a sequence.
_SHOWN = {code: f"⟨U+{code:04X}⟩" for code in _BIDI} | {
    code: picture
    for code, picture in _PICTURES.items()
    if chr(code) not in "\a\b\t\n\r\x18\x1a\x1b"
}
_TOKEN = re.compile(
    "(?P<text>[^\x07\x08\r\x18\x1a\x1b\x80-\x9f]++)"
    "|(?:\x1b\\[|\x9b)(?P<parameters>[0-?]*+)(?P<between>[ -/]*+)(?P<final>[@-~\x18\x1a]?)"
    "|(?:\x1b[PX\\]^_]|[\x90\x98\x9d-\x9f])[^\x07\x18\x1a\x1b\x9c]*+(?:[\x07\x18\x1a\x9c]|\x1b\\\\)?"
    "|\x1b[ -/]*+[0-~]?"
    "|(?P<control>[\x07\x08\r\x18\x1a])"
    "|[\x80-\x9f]"
)


#: The same in UTF-8.
_ASCII_CONTROLS = [bytes([code]) for code in (*range(0x09), *range(0x0B, 0x20), 0x7F)]
_C1_CONTROLS = re.compile(rb"\xc2[\x80-\x9f]")
_BIDI_CONTROLS = re.compile(rb"\xe2(?:\x80[\x8e\x8f\xaa-\xae]|\x81[\xa6-\xa9])")
_LETTER_MARK = chr(0x061C).encode()


def has_controls(text: bytes) -> bool:
    """Tell whether a text in UTF-8 has characters that a reader does not see as they are."""
    # To look for one after the other is some ten times as fast as for all of them at once.
    if any(character in text for character in _ASCII_CONTROLS):
        return True
    if text.isascii():
        return False
    if b"\xc2" in text and _C1_CONTROLS.search(text) is not None:
        return True
    return _LETTER_MARK in text or _BIDI_CONTROLS.search(text) is not None


def visible_text(text: str) -> str:
    r"""Return what a reader sees of a text in the log viewer.

    Rows that the text reaches by moving the cursor up come in their order, separated by `\n`.
    """
    if _CONTROL.search(text) is None:
        return text
    return "\n".join([_visible_line(line) for line in text.split("\n")])


def _visible_line(line: str) -> str:
    if _C1.search(line):
        line = _MISREAD.sub(lambda match: _C1.sub(_named, match[0]), line)
    screen = _Screen()
    for token in _TOKEN.finditer(line.translate(_SHOWN)):
        if token["text"]:
            screen.write(token["text"])
        elif token["control"]:
            screen.control(token["control"])
        elif token["final"] and re.fullmatch("[0-9]*", token["parameters"] + token["between"]):
            screen.move(token["final"], int(token["parameters"][:6] or 0))
    return screen.text


def _named(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match[0]):04X}⟩"


class _Screen:
    """The row in which a text began, those above it that it reaches, and the cursor."""

    def __init__(self) -> None:
        self._row: list[str] = []
        self._rows = [self._row]  # the lowest first
        self._up = 0
        self._column = 0
        #: the columns before this one are blank in the present row: erasing them again is free
        self._blank = 0

    @property
    def text(self) -> str:
        """The rows from top to bottom; of several, those that are not blank."""
        rows = ["".join(row) for row in reversed(self._rows)]
        return "\n".join([row for row in rows if len(rows) == 1 or row.strip()])

    def write(self, text: str) -> None:
        """Write a text without controls at the cursor."""
        row, column = self._row, self._column
        if column > len(row):
            row.extend(" " * (column - len(row)))
        self._column = column + len(text)
        row[column : self._column] = text
        self._blank = min(self._blank, column)

    def control(self, control: str) -> None:
        """Obey a control character, or show its picture."""
        if control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(0, self._column - 1)
        else:
            self.write(_PICTURES[ord(control)])

    def move(self, final: str, number: int) -> None:
        """Obey a control sequence that moves the cursor or erases. Others show nothing."""
        count = number or 1
        if final in "AF":
            self._go(self._up + count)
        elif final in "BE":
            self._go(self._up - count)
        elif final == "C":
            self._right(self._column + count)
        elif final == "D":
            self._column = max(0, self._column - count)
        elif final in "G`":
            self._right(count - 1, 0)
        elif final == "K":
            self._erase(number)
        elif final == "J" and number == 0:
            self._erase(0)
            for row in self._rows[: self._up]:
                row.clear()
        if final in "EF":
            self._column = 0

    def _right(self, column: int, least: int | None = None) -> None:
        least = self._column if least is None else least
        self._column = max(least, min(column, COLUMNS_LIMIT))

    def _go(self, up: int) -> None:
        self._up = max(0, min(up, ROWS_LIMIT))
        while len(self._rows) <= self._up:
            self._rows.append([])
        self._row, self._blank = self._rows[self._up], 0

    def _erase(self, number: int) -> None:
        if number == 0:
            del self._row[self._column :]
        elif number == 1:
            end = min(self._column + 1, len(self._row))
            if end > self._blank:
                self._row[self._blank : end] = " " * (end - self._blank)
                self._blank = end
        elif number == 2:
            self._row.clear()
