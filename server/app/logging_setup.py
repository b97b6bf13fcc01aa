"""The server's own log, on standard error: one entry per record, with its action and ids.

    2026-11-25 21:00:00,123 WARNING server.a_module: Process 7 was lost [run_lost process_pk=7]

Every call of a logger gives `extra={"action": "run_lost", "process_pk": 7}`: a stable name to
search for, and the ids of what it is about. The logs of runs are left to `server.logs`.
"""

from __future__ import annotations

import logging

#: The attributes that every record has; all others come from `extra`.
STANDARD = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "taskName"}


def set_up_logging(level: int = logging.INFO) -> None:
    """Write the records of at least a level to standard error, unless logging is set up already."""
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter())
    logging.basicConfig(level=level, handlers=[handler])


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what the call gave as `extra`: the action and the ids."""
    return {key: value for key, value in vars(record).items() if key not in STANDARD}


class TextFormatter(logging.Formatter):
    """Writes time, level, logger and message, then action and ids, then the traceback if any."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the entry without its traceback."""
        line = super().formatMessage(record)
        fields = fields_of(record)
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
