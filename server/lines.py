"""From a run's text to numbered log entries: assembling lines, and encoding them once and for all.

An entry is ready JSON, `[number, time, level, text]`, with a fifth element `true` where no line end
follows. Entries of a chunk stand one after the other with `,\\n` between: raw line ends do not
occur inside JSON, so a chunk is a JSON array's inside and can be cut at line ends.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

LINE_LIMIT_BYTES = 65_536
#: So many characters are within the limit in any encoding.
SHORT_CHARACTERS = LINE_LIMIT_BYTES // 4
HOLD_SECONDS = 1.0
SEPARATOR = b",\n"

_encode_lines = msgspec.json.Encoder().encode_lines
#: Half as dear as calling the class.
_line = tuple.__new__
_decode_entries = msgspec.json.Decoder(list[list[int | float | str | bool]]).decode


class Line(NamedTuple):
    """A line of a log before it has a number. `unended` says that no line end follows the text."""

    time: float
    level: str
    text: str
    unended: bool = False


class _Held:
    """The beginning of a line whose end has not come yet."""

    def __init__(self, now: float, time: float, level: str) -> None:
        self.since = now
        self.time = time
        self.level = level
        self.pieces: list[str] = []
        self.size_bytes = 0


class LineAssembler:
    """Puts the text of several streams together to lines, in the order of their ends."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self.ready: list[Line] = []
        self.ready_characters = 0

    def feed(self, stream: str, time: float, level: str, text: str, now: float) -> None:
        """Take text as it came. `now` is a monotonic time, for how long a beginning is held."""
        self.feed_all([("", stream, time, level, text)], now)

    def _feed(self, stream: str, time: float, level: str, text: str, now: float) -> None:
        *ended, rest = text.split("\n")
        if ended:
            self._hold(stream, time, level, ended[0], now)
            self._end(stream, unended=False)
            self._add_whole(stream, time, level, ended[1:], now)
        if rest:
            self._hold(stream, time, level, rest, now)

    def feed_all(self, texts: Sequence[tuple[str, str, float, str, str]], now: float) -> None:
        """Take much text: each with a word before its stream, time, level and text."""
        held, add = self._held, self.ready.append
        for _, stream, time, level, text in texts:
            end = len(text) - 1
            if 0 <= end < SHORT_CHARACTERS and text.find("\n") == end and stream not in held:
                # By far the most common: one whole line that is short in any encoding.
                add(_line(Line, (time, level, text[:end], False)))
                self.ready_characters += end
            else:
                self._feed(stream, time, level, text, now)

    def release(self, now: float | None = None) -> float | None:
        """Let go of beginnings held too long, or of all without `now`; the next one's time."""
        for stream in list(self._held):
            if now is None or self._held[stream].since + HOLD_SECONDS <= now:
                self._end(stream, unended=True)
        return min((held.since + HOLD_SECONDS for held in self._held.values()), default=None)

    def take(self) -> list[Line]:
        """The assembled lines, which are then forgotten here."""
        lines, self.ready, self.ready_characters = self.ready, [], 0
        return lines

    def _add(self, line: Line) -> None:
        self.ready.append(line)
        self.ready_characters += len(line.text)

    def _add_whole(
        self, stream: str, time: float, level: str, pieces: list[str], now: float
    ) -> None:
        """Lines that came in one go, of which there may be a hundred thousand."""
        if all(len(piece) < SHORT_CHARACTERS for piece in pieces):
            self.ready += [Line(time, level, piece) for piece in pieces]
            self.ready_characters += sum(map(len, pieces))
            return
        for piece in pieces:
            self._hold(stream, time, level, piece, now)
            self._end(stream, unended=False)

    def _hold(self, stream: str, time: float, level: str, text: str, now: float) -> None:
        held = self._held.get(stream)
        if held is None:
            held = self._held[stream] = _Held(now, time, level)
        held.pieces.append(text)
        held.size_bytes += len(text) if text.isascii() else len(text.encode())
        if held.size_bytes > LINE_LIMIT_BYTES:
            self._cut(held)

    def _cut(self, held: _Held) -> None:
        """Turn all but the last piece of a long line into entries."""
        data = "".join(held.pieces).encode()
        while len(data) > LINE_LIMIT_BYTES:
            end = LINE_LIMIT_BYTES
            while data[end] & 0xC0 == 0x80:  # not inside a character
                end -= 1
            self._add(Line(held.time, held.level, data[:end].decode(), unended=True))
            data = data[end:]
        held.pieces, held.size_bytes = [data.decode()], len(data)

    def _end(self, stream: str, unended: bool) -> None:
        held = self._held.pop(stream)
        text = "".join(held.pieces)
        if text or not unended:
            self._add(Line(held.time, held.level, text, unended))


class Utf8Text:
    """Decodes the bytes of a stream piece by piece; what is no UTF-8 is shown by U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The text so far; empty data ends it."""
        return self._decoder.decode(data, final=not data)


def encode_entries(first: int, lines: Sequence[Line]) -> bytes:
    """The lines as the inside of a JSON array of entries, numbered from `first`."""
    numbered = [
        (number, *line) if line[3] else (number, line[0], line[1], line[2])
        for number, line in enumerate(lines, first)
    ]
    return _encode_lines(numbered)[:-1].replace(b"\n", SEPARATOR)


def entries_text(entries: bytes) -> str:
    """The bytes that the log shows for these entries: each text with its line end."""
    return "".join(
        [
            f"{entry[3]}\n" if len(entry) == 4 else str(entry[3])
            for entry in _decode_entries(b"[%b]" % entries)
        ]
    )
