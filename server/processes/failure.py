"""Why a process failed, by its log: the exception, and the line that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from server.core.records import ProcessRecord, State
from server.logs.reader import LogReader
from server.logs.terminal_text import visible_text

#: The failure message of a run whose exception was not foreseen: `runners.execution.worker`.
UNEXPECTED = "An unexpected error occurred"
#: How many of the last lines with errors are read.
ERRORS_READ = 500

#: The heading of a traceback, and of one of an exception group.
_HEADING = re.compile(r"(  \+ Exception Group )?Traceback \(most recent call last\):")
#: In a traceback, only the exception itself is not indented; a group has a margin.
_EXCEPTION = re.compile(r"(?:  \| )?(\S.*)")


class Failure(NamedTuple):
    """What to show of a failure.

    `words` are the exception's name and message, None when the failure message says all; `line` is
    the one that shows the failure (0 for none); `errors` are the last lines with errors.
    """

    words: str | None
    line: int
    errors: list[int]


async def read_failure(record: ProcessRecord, reader: LogReader) -> Failure | None:
    """Return why a process failed, None when it has not failed."""
    if record.state is not State.FAILED:
        return None
    page = await reader.lines(record, 0, ERRORS_READ, "error", before=record.log_lines + 1)
    return failure_of(record.failure_message, json.loads(b"[%b]" % b",".join(page.entries)))


def failure_of(message: str | None, errors: Sequence[Sequence[Any]]) -> Failure:
    """Return what to show, by the failure message and the last entries with errors."""
    numbers = [entry[0] for entry in errors]
    found = _exception(errors) if message == UNEXPECTED else None
    if found is not None:
        words = visible_text(errors[found][3].removeprefix("  | "))
        return Failure(words, numbers[found], numbers)
    return Failure(None, numbers[-1] if numbers else 0, numbers)


def _exception(errors: Sequence[Sequence[Any]]) -> int | None:
    """Return which entry names the exception of the last traceback, None without a traceback."""
    headings = [at for at, entry in enumerate(errors) if _HEADING.fullmatch(entry[3])]
    for at in range(headings[-1] + 1, len(errors)) if headings else ():
        if _EXCEPTION.fullmatch(errors[at][3]):
            return at
    return None
