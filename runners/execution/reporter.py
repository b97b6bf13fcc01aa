"""The child's end of the pipe: everything that a run reports, as newline-delimited JSON.

A message is one array: `["t", stream, time, level, text]` for text, `["frame", time, level, line,
facts]` for the line about a frame of a film and what is known of the frame, `["status", text]`,
`["progress", done, total]`, `["output", path, name, type, whether it is the main one]` with the
author's word for what kind of file it is, if there is one,
`["hello", pid, parent's pid]`,
`["confined", version of Landlock, reason for none, writable folders]`,
`["usage", CPU seconds, peak RSS in bytes]`, `["provenance", fields]`, and last
`["done", outputs sent]`, `["failed", message]` or `["cancelled"]`. Each has left the process when
the call returns, so that a crash loses nothing. The server, which outlives this process, assembles
the lines.

Threads, forks and other children of a run share the pipe without a lock, which a fork could inherit
locked and a killed child leave locked: no write is larger than what the system writes as a whole. A
larger message goes in parts, `<writer part` and last `>writer part`, which the server joins.
"""

from __future__ import annotations

import itertools
import math
import os
import select
import threading
import time
from collections.abc import Mapping
from threading import get_ident
from typing import Any

import msgspec

PIECE_CHARACTERS = 65_536
#: The largest write to a pipe that is never mixed with another's.
ATOMIC_BYTES = select.PIPE_BUF
#: The stream of whole lines that neither continue nor begin another line.
WHOLE_LINES = "lines"

_encode = msgspec.json.Encoder().encode


class PipeReporter:
    """Writes messages to a file descriptor, from any thread or fork.

    Unended lines of the thread `main` are told apart by their stream alone, which is cheapest;
    those of others by their stream and their writer.
    """

    def __init__(self, descriptor: int, main: int = 0) -> None:
        self._descriptor = descriptor
        self.cancelled = False
        self._main = main
        self._thread = threading.local()
        self._count = itertools.count(1)
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        """Tell the lines of a fork from those of its parent."""
        self._main = 0
        self._thread = threading.local()

    def text(self, text: str, stream: str = "log", level: str = "info") -> None:
        """Send the text of a stream unchanged, line ends included."""
        if len(text) > PIECE_CHARACTERS:
            for start in range(0, len(text), PIECE_CHARACTERS):
                self.text(text[start : start + PIECE_CHARACTERS], stream, level)
            return
        if get_ident() != self._main:
            stream = self._stream_of_writer(text, stream)
        try:
            message = _encode(("t", stream, time.time(), level, text))
        except UnicodeEncodeError:
            message = _encode(("t", stream, time.time(), level, without_surrogates(text)))
        self._write(message)

    def frame(self, line: str, facts: Mapping[str, Any], *, level: str = "info") -> None:
        """Send the log line about a frame of a film, with the facts of the frame."""
        try:
            message = _encode(("frame", time.time(), level, line, facts))
        except UnicodeEncodeError:
            legible = {
                name: without_surrogates(value) if isinstance(value, str) else value
                for name, value in facts.items()
            }
            message = _encode(("frame", time.time(), level, without_surrogates(line), legible))
        self._write(message)

    def status(self, text: str) -> None:
        """Send the status that the pipeline sets."""
        self.send("status", without_surrogates(text))

    def progress(self, done: float, total: float) -> None:
        """Send how much is done. Raise ValueError unless both are finite numbers."""
        done, total = float(done), float(total)
        if not (math.isfinite(done) and math.isfinite(total)):
            raise ValueError("progress takes finite numbers")
        self.send("progress", done, total)

    def send(self, *message: Any) -> None:
        """Send one message."""
        self._write(_encode(message))

    def send_alone(self, *message: Any) -> None:
        """Send a message on a line of its own, even after one that a pipeline left without end."""
        encoded = _encode(message)
        if len(encoded) + 1 < ATOMIC_BYTES:
            self._write(b"\n" + encoded)
        else:
            os.write(self._descriptor, b"\n")
            self._write(encoded)

    def fileno(self) -> int:
        """Return the descriptor of the pipe."""
        return self._descriptor

    def _stream_of_writer(self, text: str, stream: str) -> str:
        """Return the stream by which the server tells this text from that of other writers."""
        unended = self._unended()
        if text.endswith("\n"):
            if stream not in unended and not (stream == "stderr" and "\r" in text):
                return WHOLE_LINES  # progress bars keep their stream, which decides on their level
            unended.discard(stream)
        elif text:
            unended.add(stream)
        return f"@{self._writer()}/{stream}"

    def _unended(self) -> set[str]:
        """Return the streams in which this thread has begun a line."""
        try:
            return self._thread.unended  # type: ignore[no-any-return]
        except AttributeError:
            self._thread.unended = set()
            return self._thread.unended  # type: ignore[no-any-return]

    def _writer(self) -> str:
        """Return the name of this thread, which no other thread or process of the run has."""
        try:
            return self._thread.name  # type: ignore[no-any-return]
        except AttributeError:
            self._thread.name = f"{os.getpid()}.{next(self._count)}"
            return self._thread.name  # type: ignore[no-any-return]

    def _write(self, message: bytes) -> None:
        if len(message) < ATOMIC_BYTES:
            os.write(self._descriptor, message + b"\n")
        else:
            self._write_parts(message)

    def _write_parts(self, message: bytes) -> None:
        writer = self._writer().encode()
        size = ATOMIC_BYTES - len(writer) - 3
        for start in range(0, len(message), size):
            sign = b"<" if start + size < len(message) else b">"
            part = message[start : start + size]
            os.write(self._descriptor, b"%b%b %b\n" % (sign, writer, part))


def without_surrogates(text: str) -> str:
    """Return the text with U+FFFD in place of each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
