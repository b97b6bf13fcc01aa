"""Separates a child from the server that started it: its session, descriptors and streams.

What the child does then is left to `runners.execution.worker`.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver, process, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from runners.execution import streams
from runners.execution.reporter import PipeReporter


def isolate(import_folder: str | None) -> None:
    """Leave the server's session, and put the authors' folder on the import path."""
    os.setsid()
    _close_inherited()
    _become_a_main_process()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A file that was just changed can have the time and size of its compiled predecessor.
    sys.dont_write_bytecode = True
    if import_folder:
        sys.path.insert(0, import_folder)


def _close_inherited() -> None:
    """Close the server's descriptors, so that the template notices when the server ends."""
    for holder, name in (
        (getattr(forkserver, "_forkserver", None), "_forkserver_alive_fd"),
        (getattr(resource_tracker, "_resource_tracker", None), "_fd"),
    ):
        descriptor = getattr(holder, name, None)
        if descriptor is not None:
            # Once it is unset, multiprocessing makes a new one if the pipeline needs it.
            setattr(holder, name, None)
            os.close(descriptor)


def _become_a_main_process() -> None:
    """Have multiprocessing and `atexit` work as in a script, and not as in a server's child."""
    held: Any = process
    # Its class has no name in its module.
    kinds = process.BaseProcess.__subclasses__()
    if main := [kind for kind in kinds if kind.__name__ == "_MainProcess"]:
        held._current_process = main[0]()
    held._parent_process = None
    multiprocessing.set_start_method(None, force=True)  # the platform's, until the author sets one
    # Those of the template would wait for the server's children. `logging` has no other at first.
    atexit._clear()
    atexit.register(logging.shutdown)


def redirect(reporter: PipeReporter, out: Connection, err: Connection, log_level: str) -> None:
    """Send all output, log records and warnings to the server; standard input is empty."""
    # Also at descriptor level, for C libraries and programs that the pipeline starts.
    null = os.open(os.devnull, os.O_RDONLY)
    for source, descriptor in ((null, 0), (out.fileno(), 1), (err.fileno(), 2)):
        os.dup2(source, descriptor)
    os.close(null)
    out.close()
    err.close()
    # What Python programs print that the pipeline starts comes when they print it.
    os.environ["PYTHONUNBUFFERED"] = "1"
    streams.install(reporter, log_level)
    faulthandler.enable(file=2)
