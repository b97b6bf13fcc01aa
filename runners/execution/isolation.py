"""Keeps a child apart from the server that it comes from: its session, descriptors and streams.

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
    """Leave the server's session, and make an author's modules importable."""
    os.setsid()
    _let_go()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # By time and size a changed file may look like the one that was compiled a moment ago.
    sys.dont_write_bytecode = True
    if import_folder:
        sys.path.insert(0, import_folder)


def _let_go() -> None:
    """Close what multiprocessing holds of the server's: the template must see the server's end."""
    for holder, name in (
        (getattr(forkserver, "_forkserver", None), "_forkserver_alive_fd"),
        (getattr(resource_tracker, "_resource_tracker", None), "_fd"),
    ):
        descriptor = getattr(holder, name, None)
        if descriptor is not None:
            # Unset, multiprocessing makes new ones should the pipeline use it.
            setattr(holder, name, None)
            os.close(descriptor)


def redirect(reporter: PipeReporter, out: Connection, err: Connection) -> None:
    """Let all that is printed, logged or warned of be heard by the server; nothing can be read."""
    # At descriptor level too: C libraries and programs started by the pipeline are heard as well.
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
