"""The child's end of the pipe: everything that a run reports, as newline-delimited JSON.

A message is one array: `["t", stream, time, level, text]` for text, `["status", text]`,
`["progress", done, total]`, `["output", path, name, type]`, `["hello", pid, parent's pid]`,
`["usage", CPU seconds, peak RSS in bytes]`, `["provenance", fields]`, and last `["done"]`,
`["failed", message]` or `["cancelled"]`. Each has left the process when the call returns, so that a
crash loses nothing. The server, which outlives this process, assembles the lines.
"""

from __future__ import annotations

import io
import logging
import math
import os
import threading
import time
from typing import Any

import msgspec

PIECE_CHARACTERS = 65_536

_encode = msgspec.json.Encoder().encode


class PipeReporter:
    """Writes messages to a file descriptor, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self.cancelled = False

    def text(self, text: str, stream: str = "log", level: str = "info") -> None:
        """Send the text of a stream unchanged, line ends included."""
        if len(text) > PIECE_CHARACTERS:
            for start in range(0, len(text), PIECE_CHARACTERS):
                self.text(text[start : start + PIECE_CHARACTERS], stream, level)
            return
        try:
            message = _encode(("t", stream, time.time(), level, text))
        except UnicodeEncodeError:
            message = _encode(("t", stream, time.time(), level, without_surrogates(text)))
        self._write(message + b"\n")

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
        self._write(_encode(message) + b"\n")

    def end(self, *message: Any) -> None:
        """Send the last message, on a line of its own even after one that was cut short."""
        self._write(b"\n" + _encode(message) + b"\n")

    def _write(self, data: bytes) -> None:
        # One write per message: up to PIPE_BUF bytes it is never mixed with that of a fork.
        with self._lock:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])


def without_surrogates(text: str) -> str:
    """Return the text with U+FFFD in place of each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class TextStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a run. It shares the pipe of `log()`, so order is kept."""

    def __init__(self, reporter: PipeReporter, stream: str, level: str, descriptor: int) -> None:
        self._reporter = reporter
        self._stream = stream
        self._level = level
        self._descriptor = descriptor
        self.buffer = io.FileIO(descriptor, "w", closefd=False)

    encoding = "utf-8"
    errors = "replace"

    def writable(self) -> bool:
        """Return True, as a text stream for output does."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, for those who write to it themselves."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Send the text at once; nothing is buffered."""
        self._reporter.text(text, self._stream, self._level)
        return len(text)


class LogHandler(logging.Handler):
    """Sends records of the `logging` module as whole lines, each with its level."""

    def __init__(self, reporter: PipeReporter) -> None:
        super().__init__()
        self._reporter = reporter
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        try:
            self._reporter.text(self.format(record) + "\n", "logging", level_name(record.levelno))
        except Exception:
            self.handleError(record)


def level_name(number: int) -> str:
    """Return the log level for a `logging` level number."""
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"
