"""What Python code of a run writes to: `sys.stdout` and `sys.stderr`, and the handler of `logging`.

All of it goes over the pipe of `log()`, so that order is kept and lines are whole; how, is left to
`reporter`.
"""

from __future__ import annotations

import codecs
import functools
import io
import logging
import sys
from collections.abc import Callable
from typing import Any

from runners.execution.reporter import PipeReporter

ENCODING, ERRORS = "utf-8", "replace"
#: What can be reconfigured, as of any text stream. Nothing of it changes what is sent.
_SETTINGS = {"encoding", "errors", "newline", "line_buffering", "write_through"}
#: These say so much about themselves that their DEBUG is kept of nobody.
_CHATTY = ("matplotlib", "PIL", "asyncio")


class TextStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a run. Nothing is buffered."""

    encoding = ENCODING
    errors = ERRORS
    newlines = None
    mode = "w"
    line_buffering = True
    write_through = True

    def __init__(self, reporter: PipeReporter, stream: str, level: str, descriptor: int) -> None:
        self.name = f"<{stream}>"
        self._send = functools.partial(reporter.text, stream=stream, level=level)
        self._descriptor = descriptor
        self.buffer = BinaryStream(self._send, self.name, descriptor)

    def writable(self) -> bool:
        """Return True, as a text stream for output does."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, for those who write to it themselves."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Send the text at once."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._send(text)
        return len(text)

    def reconfigure(self, **settings: Any) -> None:
        """Accept the settings of a text stream. It stays unbuffered and sends UTF-8."""
        if unknown := set(settings) - _SETTINGS:
            raise TypeError(f"{min(unknown)!r} is an invalid keyword argument for reconfigure()")
        if settings.get("encoding") is not None:
            codecs.lookup(settings["encoding"])


class BinaryStream(io.BufferedIOBase):
    """The `buffer` of a text stream: its bytes are sent as text, in order with the others."""

    mode = "wb"

    def __init__(self, send: Callable[[str], None], name: str, descriptor: int) -> None:
        self.name = name
        self.raw = io.FileIO(descriptor, "w", closefd=False)
        self._send = send
        self._decoder = codecs.getincrementaldecoder(ENCODING)(ERRORS)

    def writable(self) -> bool:
        """Return True, as a stream for output does."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, for those who write to it themselves."""
        return self.raw.fileno()

    def write(self, data: Any) -> int:
        """Send the bytes at once, but for the beginning of a character that is not complete."""
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        given = bytes(data)
        self._pass_on(self._decoder.decode(given))
        return len(given)

    def finish(self) -> None:
        """Send the character that was not completed, as U+FFFD."""
        self._pass_on(self._decoder.decode(b"", final=True))

    def _pass_on(self, text: str) -> None:
        if text:
            self._send(text)


class LogFormatter(logging.Formatter):
    """Names a logger other than the root at the head of its line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message of a record. Its level is kept beside the text."""
        return record.message if record.name == "root" else f"{record.name}: {record.message}"


class LogHandler(logging.Handler):
    """Sends records of the `logging` module as whole lines, each with its level."""

    def __init__(self, reporter: PipeReporter) -> None:
        super().__init__()
        self._reporter = reporter
        self.setFormatter(LogFormatter())

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


def install(reporter: PipeReporter, log_level: str, descriptors: tuple[int, ...] = (1, 2)) -> None:
    """Send the standard streams of these descriptors, log records and warnings over the pipe."""
    if 1 in descriptors:
        sys.stdout = sys.__stdout__ = TextStream(reporter, "stdout", "info", 1)  # type: ignore[misc, assignment]
    if 2 in descriptors:
        sys.stderr = sys.__stderr__ = TextStream(reporter, "stderr", "warning", 2)  # type: ignore[misc, assignment]
    root = logging.getLogger()
    root.addHandler(handler := LogHandler(reporter))
    root.setLevel(log_level.upper())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.basicConfig = _heeding(logging.basicConfig, handler)


def finish() -> None:
    """Send what is left of the standard streams."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, TextStream):
            stream.buffer.finish()


def _heeding(basic_config: Callable[..., None], handler: LogHandler) -> Callable[..., None]:
    """Return a `basicConfig` that an author can call, although the root has a handler already.

    As in a script it acts once unless forced. Its level and format are heeded. Lines for the
    standard streams stay with the handler here, which keeps their levels; files are written beside.
    """
    called = False

    @functools.wraps(basic_config)
    def heeding(**given: Any) -> None:
        nonlocal called
        root = logging.getLogger()
        if called and not given.get("force"):
            return
        if handler not in root.handlers:  # the author has configured the root in another way
            basic_config(**given)
            return
        root.removeHandler(handler)
        if given.get("handlers") is not None:
            given["handlers"] = list(given["handlers"])
        formatted = [each for each in given.get("handlers") or () if each.formatter]
        try:
            before = [] if given.get("force") else root.handlers[:]
            basic_config(**given)
            called = True
            for added in [each for each in root.handlers if each not in before]:
                if _writes_to_standard_stream(added):
                    root.removeHandler(added)
                    if given.get("format") is not None or added in formatted:
                        handler.setFormatter(added.formatter)
        finally:
            root.addHandler(handler)

    return heeding


def _writes_to_standard_stream(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and isinstance(handler.stream, TextStream)
