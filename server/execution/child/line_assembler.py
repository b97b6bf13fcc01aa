"""Makes lines of what a child says: pieces of text held until their line ends, torn at a limit."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from server.logs.entries import Line

LINE_LIMIT_BYTES = 65_536


#: So many characters are within the limit in any encoding.
SHORT_CHARACTERS = LINE_LIMIT_BYTES // 4


HOLD_SECONDS = 1.0


#: Half as dear as calling the class.
_line = tuple.__new__


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
