"""Assembles lines from the pieces of text that a child writes, and cuts lines that are too long."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from server.logs.entries import Line
from server.logs.terminal_text import visible_text

#: The longest line that is stored in one piece.
LINE_LIMIT_BYTES = 65_536
#: Fewer characters than this are within that limit in any encoding.
SHORT_CHARACTERS = LINE_LIMIT_BYTES // 4
#: How many streams may have a line without its end at the same time.
HELD_LIMIT = 1_000
#: How long the beginning of a line is held before it is stored without its end.
HOLD_SECONDS = 1.0

#: The level of what is written to standard error, and that of progress bars there.
ERROR_STREAM_LEVEL = "warning"
BAR_LEVEL = "info"
#: The stream of the descriptor itself, read in pieces that say nothing about who wrote them.
RAW_ERROR = "err"
#: Back to the start of a line, other than at its end as on Windows, or to the lines above.
_REWRITES = re.compile(r"\r(?!\r*(?:\n|\Z))|(?:\x1b\[|\x9b)[0-9]*[AF]")
#: Back to lines that are then erased or left for those above, as displays of several lines do.
_FRAME = re.compile(r"\r(?:\x1b\[|\x9b)[0-9]*K|(?:\x1b\[|\x9b)[0-9]*[AF]")

#: Half as expensive as calling the class.
_line = tuple.__new__


class _Held:
    """The beginning of a line whose end is still missing."""

    def __init__(self, now: float, time: float, level: str) -> None:
        self.since = now
        self.time = time
        self.level = level
        #: whether it is part of what moves in several rows
        self.frame = False
        self.pieces: list[str] = []
        self.size_bytes = 0


class _Bars:
    """Tells progress bars on standard error from its other lines: they are no warnings.

    A bar is a text that overwrites what was written before, whatever its words are.
    """

    def __init__(self) -> None:
        #: the streams whose last text was a bar: a blank line after it is one of its moves
        self._last: set[str] = set()

    def level_of(self, stream: str, level: str, text: str, unended: bool) -> str:
        """Return the level of lines of a stream, given the level of what was written there."""
        if not _is_error_stream(stream):
            return level
        if level == BAR_LEVEL or _REWRITES.search(text) or (unended and text.endswith("\r")):
            self._remember(stream)
        elif stream not in self._last or visible_text(text).strip():
            self._last.discard(stream)
            return level
        return BAR_LEVEL

    def level_of_write(self, stream: str, level: str, text: str) -> str:
        """Return the level of a text that was written at once: one frame may be several lines."""
        if stream == RAW_ERROR or not _is_error_stream(stream):
            return level
        return BAR_LEVEL if _FRAME.search(text) else level

    def may_be_in(self, stream: str, text: str) -> bool:
        """Return whether one of the lines in a text may be a bar, or come after one."""
        return "\r" in text or "\x1b" in text or "\x9b" in text or stream in self._last

    def _remember(self, stream: str) -> None:
        if len(self._last) >= HELD_LIMIT:
            self._last.clear()  # each thread has a stream of its own
        self._last.add(stream)


def _is_blank(pieces: list[str]) -> bool:
    return not visible_text("".join(pieces)).strip()


def _is_error_stream(stream: str) -> bool:
    return stream == RAW_ERROR or stream.endswith("stderr")


class LineAssembler:
    """Assembles the text of several streams into lines, in the order of their ends."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._bars = _Bars()
        self.ready: list[Line] = []
        self.ready_characters = 0

    def feed(self, stream: str, time: float, level: str, text: str, now: float) -> None:
        """Take a piece of text. `now` is a monotonic time, to tell how long a beginning is held."""
        self.feed_all([("", stream, time, level, text)], now)

    def feed_all(self, texts: Sequence[tuple[str, str, float, str, str]], now: float) -> None:
        """Take many pieces: tuples of a tag that is ignored, stream, time, level and text."""
        held, bars, add = self._held, self._bars, self.ready.append
        for _, stream, time, level, text in texts:
            end = len(text) - 1
            if (
                0 <= end < SHORT_CHARACTERS
                and text.find("\n") == end
                and stream not in held
                and (level != ERROR_STREAM_LEVEL or not bars.may_be_in(stream, text))
            ):
                # By far the most common: one whole line that is short in any encoding.
                add(_line(Line, (time, level, text[:end], False)))
                self.ready_characters += end
            else:
                self._feed(stream, time, level, text, now)

    def release(self, now: float | None = None) -> float | None:
        """Store beginnings held too long, or all of them without `now`.

        Return when the next one is due.
        """
        for stream in list(self._held):
            if now is None or self._held[stream].since + HOLD_SECONDS <= now:
                self._end(stream, unended=True)
        return min((held.since + HOLD_SECONDS for held in self._held.values()), default=None)

    def take(self) -> list[Line]:
        """Remove the assembled lines and return them."""
        lines, self.ready, self.ready_characters = self.ready, [], 0
        return lines

    def _feed(self, stream: str, time: float, level: str, text: str, now: float) -> None:
        level = self._bars.level_of_write(stream, level, text)
        frame = "\x1b[" in text and _FRAME.search(text) is not None
        if frame:
            self._release_frame(stream)
        *ended, rest = text.split("\n")
        if ended:
            self._hold(stream, time, level, ended[0], now)
            self._end(stream, unended=False)
        if ended[1:]:
            bars = _is_error_stream(stream) and self._bars.may_be_in(stream, text)
            self._add_whole(stream, time, level, ended[1:], now, bars)
        if rest:
            self._hold(stream, time, level, rest, now).frame |= frame

    def _release_frame(self, stream: str) -> None:
        """Store the last row of a frame that another thread has begun: the next goes over it."""
        kind = stream.rpartition("/")[2]
        for other, held in list(self._held.items()):
            if other != stream and held.frame and other.rpartition("/")[2] == kind:
                self._end(other, unended=True)

    def _add_whole(
        self, stream: str, time: float, level: str, pieces: list[str], now: float, bars: bool
    ) -> None:
        """Add lines that came in one piece, of which there may be a hundred thousand."""
        if not bars and all(len(piece) < SHORT_CHARACTERS for piece in pieces):
            self.ready += [Line(time, level, piece) for piece in pieces]
            self.ready_characters += sum(map(len, pieces))
            return
        for piece in pieces:
            self._hold(stream, time, level, piece, now)
            self._end(stream, unended=False)

    def _hold(self, stream: str, time: float, level: str, text: str, now: float) -> _Held:
        held = self._held.get(stream)
        if held is None:
            if len(self._held) >= HELD_LIMIT:
                self._end(next(iter(self._held)), unended=True)
            held = self._held[stream] = _Held(now, time, level)
        else:
            if level == BAR_LEVEL or (level != held.level and _is_blank(held.pieces)):
                held.level = level
            if _REWRITES.search(text):
                held.time = time  # what is seen was written now; a frame's lines have one time
        held.pieces.append(text)
        held.size_bytes += len(text) if text.isascii() else len(text.encode())
        if held.size_bytes > LINE_LIMIT_BYTES:
            self._cut(held)
        return held

    def _cut(self, held: _Held) -> None:
        """Turn all but the last piece of a line over the limit into lines of their own."""
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
            level = self._bars.level_of(stream, held.level, text, unended)
            self._add(Line(held.time, level, text, unended))

    def _add(self, line: Line) -> None:
        self.ready.append(line)
        self.ready_characters += len(line.text)


class Utf8Text:
    """Decodes the bytes of a stream piece by piece; U+FFFD replaces what is not valid UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """Decode the next bytes; empty data ends the stream."""
        return self._decoder.decode(data, final=not data)
