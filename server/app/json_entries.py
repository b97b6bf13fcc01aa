"""The server's log as JSON: one object a line, whatever the record holds.

    {"time": "2026-11-25T21:00:00.123456Z", "timestamp": 1795640400.123456, "level": "warning",
     "logger": "server.a_module", "message": "Process 7 was lost", "action": "run_lost",
     "process_pk": 7}

All of it is ASCII, so that it is valid UTF-8 on any terminal and in any locale.
"""

from __future__ import annotations

import json
import logging
import math
import re
from datetime import UTC, datetime

#: How many characters are kept of a message, of one field, and of a traceback (of its end).
MESSAGE_CHARACTERS = 16_384
FIELD_CHARACTERS = 2_048
TRACEBACK_CHARACTERS = 65_536
_FIXED = ("time", "timestamp", "level", "logger", "message", "traceback")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LARGEST_INTEGER = 2**53


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; never raises, as its record would be lost."""

    def __init__(self, standard: frozenset[str]) -> None:
        super().__init__()
        self._standard = standard

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[
                :-6
            ]
            + "Z",
            "timestamp": record.created,
            "level": record.levelname.lower(),
            "logger": _text(record.name, FIELD_CHARACTERS),
            "message": _text(_message_of(record), MESSAGE_CHARACTERS),
        }
        for name, value in self._fields(record).items():
            shown = f"extra_{name}" if name in _FIXED else _text(name, FIELD_CHARACTERS)
            entry[shown] = _value(value)
        if traceback := self._traceback(record):
            entry["traceback"] = traceback
        return json.dumps(entry)

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        """Return what the call gave as `extra`, and what is in its `details`."""
        fields = {key: value for key, value in vars(record).items() if key not in self._standard}
        details = fields.pop("details", None)
        return fields | details if isinstance(details, dict) else fields

    def _traceback(self, record: logging.LogRecord) -> str:
        parts = []
        try:
            if record.exc_info and record.exc_info[0] is not None:
                parts.append(self.formatException(record.exc_info))
            if record.stack_info:
                parts.append(self.formatStack(record.stack_info))
        except Exception as error:  # of an exception that cannot be shown
            parts.append(f"(no traceback: {type(error).__name__})")
        text = "\n".join(parts)
        return _text(text[-TRACEBACK_CHARACTERS:], TRACEBACK_CHARACTERS)


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # its arguments do not fit, or cannot be shown
        return f"{_safe_str(record.msg)} {_safe_str(record.args)}"


def _value(value: object) -> object:
    """Return a field as JSON has it; what is no number, truth or null is text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST_INTEGER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return _text(_safe_str(value), FIELD_CHARACTERS)


def _safe_str(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"({type(value).__name__} that cannot be shown: {type(error).__name__})"


def _text(text: str, most_characters: int) -> str:
    """Return a text without lone surrogates, cut at a bound."""
    cut = len(text) - most_characters
    if cut > 0:
        text = f"{text[:most_characters]}… ({cut} characters more)"
    return _SURROGATES.sub("\ufffd", text)
