"""Reads what a child says: messages of its pipe and the raw bytes of its descriptors 1 and 2.

Bad messages never stop a run: they are shown in its log. Storing is left to `recorder`.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec

from runners.confinement.confine import InForce
from runners.execution.reporter import WHOLE_LINES
from server.core.records import LARGEST_INTEGER, LEVELS, Level, Progress
from server.execution.child.line_assembler import LineAssembler, Utf8Text
from server.execution.child.message_parts import MessageParts, begun_text
from server.execution.places.place import SentOutput
from server.processes.film_frames import FRAMES_LIMIT, Reported, reported_frame
from server.store.processes.sections import Section

MESSAGE_LIMIT_BYTES = 1_048_576
#: The most outputs of a run; one more is kept, which shows that there were too many.
OUTPUTS_LIMIT = 10_000
#: How many of an attempt's statuses are kept as sections of its log.
SECTIONS_LIMIT = 10_000

_decoder = msgspec.json.Decoder()
_Stream = Literal["log", "stdout", "stderr", "logging", "traceback", "lines"]
STREAMS = frozenset(
    get_args(_Stream)
)  #: A stream of one thread, fork or child of a run, which may leave a line without its end.
WRITERS_STREAM = re.compile(r"@\d{1,10}\.\d{1,10}/[a-z]{1,9}")
#: The latest time, in Unix seconds, that makes sense; negated, the earliest.
LATEST = 1e12
#: A text message.
_Text = tuple[
    Literal["t"], _Stream, Annotated[float, msgspec.Meta(ge=-LATEST, le=LATEST)], Level, str
]
_text_decoder = msgspec.json.Decoder(_Text)


class ReportedLine(NamedTuple):
    """A frame of a film, and the place of its line among those assembled, from 1.

    `place` is None when the line is beyond the log's limit.
    """

    frame: Reported
    place: int | None


class ChildMessages:
    """What a run has said so far, and which parts of it are not stored yet."""

    def __init__(self) -> None:
        self.assembler = LineAssembler()
        self._changes: dict[str, Any] = {}
        self.outputs: list[SentOutput] = []
        self.outputs_received = 0
        #: how many outputs the child says it has sent, once it is done
        self.outputs_sent: int | None = None
        #: CPU seconds and peak RSS in bytes, as last reported by the child
        self.usage: tuple[float, int] | None = None
        #: the PID of the child's parent
        self.parent: int | None = None
        #: what the run read and imported; the first message about it counts
        self.provenance: dict[str, Any] | None = None
        #: what confines the child, reported before it runs the pipeline's code; the first counts
        self.confined: InForce | None = None
        #: the child's last message, `("done",)`, `("failed", message)` or `("cancelled",)`
        self.last: tuple[str, ...] | None = None
        self._leave_out: Callable[[str], None] | None = None
        self._sections: list[Section] = []
        self._sections_left = SECTIONS_LIMIT
        self._frames: list[ReportedLine] = []
        self._frames_left = FRAMES_LIMIT
        self._rest = b""
        self._parts = MessageParts()
        self._raw = {"out": (Utf8Text(), "info"), "err": (Utf8Text(), "warning")}

    def feed_messages(self, data: bytes) -> None:
        """Take bytes from the message pipe."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        if not end and len(data) > MESSAGE_LIMIT_BYTES:
            end = len(data)
        whole, self._rest = data[:end], data[end:]
        now = time.monotonic()
        texts = _texts(whole) if self._leave_out is None else None
        if texts is not None:  # by far the most common
            self.assembler.feed_all(texts, now)
            return
        for message in _decode(whole):
            if isinstance(message, bytes):
                self._take_line(message, now)
            else:
                self._take(message, now)

    def end(self) -> None:
        """Take the end of the pipes. What is left of an incomplete message is shown as text."""
        for name in self._raw:
            self.feed_raw(name, b"")
        rest, self._rest = self._rest, b""
        if rest:
            self._take_line(rest, time.monotonic())
        for message in self._parts.take_all():
            self._take_cut(message, time.monotonic())
        self.assembler.release()

    def feed_raw(self, name: str, data: bytes) -> None:
        """Take bytes that were written to descriptor 1 (`out`) or 2 (`err`)."""
        decoder, level = self._raw[name]
        if text := decoder.feed(data):
            self._text(name, time.time(), level, text, time.monotonic())

    def say(self, text: str, level: str = "info") -> None:
        """Add a line of the server's own."""
        self.assembler.feed("server", time.time(), level, text + "\n", time.monotonic())

    def divert(self, leave_out: Callable[[str], None]) -> None:
        """Pass the run's text to `leave_out` from now on, as no more of it is stored."""
        self._leave_out = leave_out

    @property
    def changed(self) -> bool:
        """Whether the record is to be changed."""
        return bool(self._changes)

    @property
    def unstored_progress(self) -> Progress | None:
        """The newest progress, unless it was taken with the changes."""
        return self._changes.get("progress")

    def take_changes(self) -> dict[str, Any]:
        """Return the fields of the record that are new since the last call."""
        taken, self._changes = self._changes, {}
        return taken

    def take_sections(self) -> list[Section]:
        """Return the statuses since the last call; `line` counts the lines assembled before it."""
        taken, self._sections = self._sections, []
        return taken

    def take_frames(self) -> list[ReportedLine]:
        """Return the frames since the last call; to be called with the lines being taken."""
        taken, self._frames = self._frames, []
        return taken

    def _frame(self, when: float, level: str, line: str, facts: dict[str, Any], now: float) -> None:
        self._text(WHOLE_LINES, when, level, f"{line}\n", now)
        frame = reported_frame(facts)
        if frame is not None and self._frames_left:
            self._frames_left -= 1
            place = len(self.assembler.ready) if self._leave_out is None else None
            self._frames.append(ReportedLine(frame, place))

    def _status(self, text: str) -> None:
        self._changes["status"] = text
        lines = len(self.assembler.ready)
        if self._sections and self._sections[-1].line == lines:
            self._sections.pop()  # it has no lines
        elif self._sections_left == 0:
            return
        else:
            self._sections_left -= 1
        self._sections.append(Section(lines, time.time(), text))

    def _take_line(self, line: bytes, now: float) -> None:
        """Take a line that is no message by itself: a part of one, or anything at all."""
        message = self._parts.take(line)
        if message is None:
            self._show(line, now)
        elif message:
            self._take(_decode_line(message), now)
        elif (oldest := self._parts.take_oldest()) is not None:
            self._take_cut(oldest, now)

    def _take_cut(self, message: bytes, now: float) -> None:
        """Take a message whose writer was killed while it wrote: text is kept as far as it goes."""
        text = begun_text(message)
        if text is None:
            self.say("A message of the run was cut short: its writer ended", "warning")
        else:
            self._take(text, now)

    def _take(self, message: Any, now: float) -> None:
        # Before the others, as matching a pattern costs more than all else about a line.
        if type(message) is list and len(message) == 5 and message[0] == "t":
            _, stream, when, level, text = message
            if is_text(stream, when, level, text):
                self._text(stream, float(when), level, text, now)
                return
        match message:
            case ["frame", float(when), str(level), str(line), dict(facts)] if is_text(
                WHOLE_LINES, when, level, line
            ):
                self._frame(when, level, line, facts, now)
            case ["status", str(text)]:
                self._status(text[:200])
            case ["progress", float(done), float(total)] if math.isfinite(done) and math.isfinite(
                total
            ):
                self._changes["progress"] = Progress(done, total)
            case ["output", str(path), str(name), str(kind), *more] if _are_facts(more):
                self.outputs_received += 1
                if len(self.outputs) <= OUTPUTS_LIMIT:
                    self.outputs.append(SentOutput(path, name, kind, *more))
            case _:
                if not (self._take_end(message) or self._take_of_child(message)):
                    self._show(message, now)

    def _take_end(self, message: Any) -> bool:
        """Take how the run ended, the first time it is told; return whether the message is that."""
        match message:
            case ["done", int(sent)]:
                if self.last is None:
                    self.last, self.outputs_sent = ("done",), sent
            case ["cancelled"]:
                self.last = self.last or ("cancelled",)
            case ["failed", str(text)]:
                self.last = self.last or ("failed", text)
            case _:
                return False
        return True

    def _take_of_child(self, message: Any) -> bool:
        """Take what the child tells of itself; return whether the message is that."""
        match message:
            case ["usage", float(cpu), int(rss)] if (
                math.isfinite(cpu) and 0 <= rss <= LARGEST_INTEGER
            ):
                self.usage = (cpu, rss)
            case ["hello", int(), int(parent)]:
                self.parent = parent
            case ["confined", None | int(), None | str(), list(writable)] if _are_texts(writable):
                self.confined = self.confined or InForce(message[1], message[2], writable)
            case ["provenance", dict(facts)]:
                self.provenance = self.provenance or facts
            case _:
                return False
        return True

    def _show(self, message: Any, now: float) -> None:
        raw = message if isinstance(message, bytes) else msgspec.json.encode(message)
        text = raw.decode("utf-8", "replace").removesuffix("\n")
        if not text:
            return  # outputs and the last message begin with a line end
        self._text("unknown", time.time(), "warning", text + "\n", now)

    def _text(self, stream: str, when: float, level: str, text: str, now: float) -> None:
        if self._leave_out is None:
            self.assembler.feed(stream, when, level, text, now)
        else:
            self._leave_out(text)


def _are_facts(more: list[Any]) -> bool:
    """Return whether these are the facts of an output that workers of older versions leave out."""
    return len(more) <= 2 and all(map(isinstance, more, (bool, str)))


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)


def is_text(stream: Any, when: Any, level: Any, text: Any) -> bool:
    """Return whether these are the parts of a text message."""
    return (
        type(stream) is str
        and type(when) in (float, int)
        and type(level) is str
        and type(text) is str
        and level in LEVELS
        and (stream in STREAMS or WRITERS_STREAM.fullmatch(stream) is not None)
        and -LATEST <= when <= LATEST
    )


def _texts(whole: bytes) -> list[_Text] | None:
    """Decode these lines if all of them are text messages."""
    try:
        return _text_decoder.decode_lines(whole)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a ValidationError is one
        return None


def _decode(whole: bytes) -> list[Any]:
    """Decode the messages in these lines; a line that is not valid JSON stays bytes."""
    try:
        return _decoder.decode_lines(whole)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [_decode_line(line) for line in whole.splitlines(keepends=True)]


def _decode_line(line: bytes) -> Any:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return line
