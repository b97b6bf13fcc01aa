"""The errors by which a pipeline, or what serves it, ends a run with a message."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

_OWN_FOLDER = str(Path(__file__).resolve().parents[1]) + os.sep


class AsyncError(Exception):
    """Fails the process with this message, without a traceback."""


class NotAvailable(AsyncError, AttributeError):
    """Something of Django that a run does not have; the message names the author's line.

    An AttributeError too, so that `hasattr` and a default of `getattr` work.
    """


def not_available(what: str, instead: str) -> NotAvailable:
    """Return the error about something that a run does not have, and what to do instead."""
    return NotAvailable(f"{what} is not available here{authors_line()}: {instead}")


def missing(owner: str, name: str, known: Mapping[str, str]) -> AttributeError:
    """Return the error about an attribute that is missing; `known` says what to do instead."""
    if name in known:
        return not_available(f"{owner}.{name}", known[name])
    return AttributeError(f"{owner} has no attribute {name!r}")


def authors_line() -> str:
    """Return the file and line, in brackets, by which an author's code has led here, or nothing."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(("<frozen ", _OWN_FOLDER)):
            return f" ({Path(file).name}, line {frame.f_lineno})"
        frame = frame.f_back
    return ""
