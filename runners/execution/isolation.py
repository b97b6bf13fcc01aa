"""Separates a child from the server that started it: its session, descriptors and streams.

What the child does then is left to `runners.execution.worker`.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection

from runners.execution.reporter import LogHandler, PipeReporter, TextStream


def isolate(import_folder: str | None) -> None:
    """Leave the server's session, and put the authors' folder on the import path."""
    os.setsid()
    _close_inherited()
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


def redirect(reporter: PipeReporter, out: Connection, err: Connection) -> None:
    """Send all output, log records and warnings to the server; standard input is empty."""
    # Also at descriptor level, for C libraries and programs that the pipeline starts.
    null = os.open(os.devnull, os.O_RDONLY)
    for source, descriptor in ((null, 0), (out.fileno(), 1), (err.fileno(), 2)):
        os.dup2(source, descriptor)
    os.close(null)
    out.close()
    err.close()
    sys.stdout = TextStream(reporter, "stdout", "info", 1)
    sys.stderr = TextStream(reporter, "stderr", "warning", 2)
    faulthandler.enable(file=2)
    root = logging.getLogger()
    root.addHandler(LogHandler(reporter))
    root.setLevel(logging.DEBUG)
    for chatty in ("matplotlib", "PIL", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.INFO)
    logging.captureWarnings(True)
