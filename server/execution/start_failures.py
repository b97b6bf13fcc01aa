"""What a start that failed amounts to: whose fault it is, when it is made again, what users read.

A failure is the pipeline's own if another try would meet it too: its class is broken or gone, or an
input or its target is. Anything else (the process that starts the runs has ended, there are too
many open files or too little memory) passes, so the start is made again. Starting itself is left to
`launch`.
"""

from __future__ import annotations

import errno
import os

from server.core.errors import DamagedFile, HeliographError, NoRoom, NotFound

#: The pauses before further tries of a start, or attempts after an interrupted one. There are as
#: many as pauses; none counts as a retry.
AGAIN_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0)

INTERRUPTED = "The process that starts the runs ended, and this run with it"
INTERRUPTED_OFTEN = f"{INTERRUPTED}, in {len(AGAIN_SECONDS) + 1} attempts"
_TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_TOO_MANY_PROCESSES = frozenset({errno.EAGAIN, errno.ENOMEM})


class CannotRun(HeliographError):
    """A pipeline cannot run here: its class cannot be imported or is no longer registered.

    It names the pipeline, and its error if there is one.
    """

    def __init__(self, pipeline: str, error: str | None) -> None:
        reason = "" if error is None else f": {error}"
        super().__init__(f"this server cannot run the pipeline {pipeline}{reason}")


def is_the_pipelines(error: Exception) -> bool:
    """Return whether a start failed for reasons of the pipeline's own, so that it has failed."""
    return isinstance(error, CannotRun | NotFound | DamagedFile)


def pause_before(again: int) -> float | None:
    """Return the seconds before the try `again`, 1 being the first repetition; None: give up."""
    return AGAIN_SECONDS[again - 1] if again <= len(AGAIN_SECONDS) else None


def failure_of_start(error: Exception) -> str:
    """Return the failure message of a run that could not be started."""
    tries = "" if is_the_pipelines(error) else f" in {len(AGAIN_SECONDS) + 1} tries"
    return f"The pipeline could not be started{tries}: {_reason(error)}"


def _reason(error: Exception) -> str:
    """Return the reason, for users: without numbers, paths and classes, which the log has."""
    match error:
        case HeliographError():
            return str(error)
        case EOFError() | ConnectionError():
            return "the process that starts the runs has ended"
        case OSError(errno=number) if number in _TOO_MANY_FILES:
            return "the server has too many files open"
        case OSError(errno=number) if number in _TOO_MANY_PROCESSES:
            return "the server's machine has no memory or processes left"
        case OSError(errno=number) if number in _NO_ROOM:
            return str(NoRoom())
        case MemoryError():
            return "the server's machine has no memory or processes left"
        case OSError(errno=int(number)):
            return f"the server's machine reports: {os.strerror(number)}"
    return "an error of the server, which is in its log"
