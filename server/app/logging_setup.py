"""The server's own log, on standard error: one entry per record, with its action and ids.

    2026-11-25 21:00:00,123 WARNING server.a_module: Process 7 was lost [run_lost process_pk=7]

Every call of a logger gives `extra={"action": "run_lost", "process_pk": 7}`: a stable name to
search for, and the ids of what it is about. What the message has already is in `details`, of which
only the form in JSON (`json_entries`) makes use. The logs of runs are left to `server.logs`.
"""

from __future__ import annotations

import copy
import logging
import os
import reprlib
import sys
import threading
from types import TracebackType
from typing import Any

from server.app.json_entries import JsonFormatter

log = logging.getLogger(__name__)

#: The attributes that every record has; all others come from `extra`.
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
#: Libraries whose lesser records would drown ours, or name documents and URLs with secrets in them.
QUIET_LIBRARIES = {
    "asyncio": logging.INFO,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "pymongo": logging.WARNING,
}
_COLOURS = {"WARNING": 33, "ERROR": 31, "CRITICAL": 31}


def set_up_logging(level: int = logging.INFO, form: str = "text") -> None:
    """Write the records of at least a level to standard error, unless logging is set up already.

    `form` is `text` or `json`.
    """
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(JsonFormatter(STANDARD))
    else:
        handler.setFormatter(TextFormatter(colours=_takes_colours(handler.stream)))
    logging.basicConfig(level=level, handlers=[handler])
    for name, least in QUIET_LIBRARIES.items():
        logging.getLogger(name).setLevel(max(level, least))


def log_everything() -> None:
    """Make records of the warnings of libraries, and of errors that nothing catches."""
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda caught: _log_uncaught(
        caught.exc_type, caught.exc_value, caught.exc_traceback
    )
    sys.unraisablehook = _log_unraisable


def _takes_colours(stream: Any) -> bool:
    """Return whether to colour what goes to a stream; `NO_COLOR` is a convention of terminals."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    log.critical(
        "An error was not caught",
        exc_info=(kind, error or kind(), trace),
        extra={"action": "error_not_caught"},
    )


def _log_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    error = unraisable.exc_value
    log.error(
        "%s: %s",
        unraisable.err_msg or "An error cannot be raised",
        reprlib.repr(unraisable.object),
        exc_info=None if error is None else (type(error), error, unraisable.exc_traceback),
        extra={"action": "error_not_raised"},
    )


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what the call gave as `extra`: the action and the ids."""
    return {key: value for key, value in vars(record).items() if key not in STANDARD}


class TextFormatter(logging.Formatter):
    """Writes time, level, logger and message, then action and ids, then the traceback if any."""

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry, its level in colour if that was asked for."""
        colour = _COLOURS.get(record.levelname) if self._colours else None
        if colour is None:
            return super().format(record)
        coloured = copy.copy(record)  # other handlers get it as it was
        coloured.levelname = f"\x1b[{colour}m{record.levelname}\x1b[0m"
        return super().format(coloured)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the entry without its traceback."""
        line = super().formatMessage(record)
        fields = fields_of(record)
        fields.pop("details", None)
        if not fields:
            return line
        action = fields.pop("action", None)
        shown = [] if action is None else [_shown(action)]
        shown += [f"{key}={_shown(value)}" for key, value in fields.items()]
        return f"{line} [{' '.join(shown)}]"


def _shown(value: object) -> str:
    """Return a value that cannot be mistaken for several, quoted and escaped if necessary."""
    text = str(value)
    plain = text.isprintable() and not any(character in text for character in " '\"=[]\\")
    return text if plain and text else repr(text)
