"""Turns this process into the template that runs are forked from. Imported by the template alone.

Importing it changes the process. On Linux the template then adopts the processes that runs leave
behind, so that they can be found; each run dies with the template, whatever its threads do; and the
template, which ends with its server however that ended, kills the process groups of its runs.
Elsewhere the runs do that themselves, see `runners.execution.worker`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import gc
import os
import signal
import socket
import sys
import tempfile
import time
import warnings
from multiprocessing import reduction
from pathlib import Path
from typing import Any

from runners.confinement import environment
from runners.confinement.peers import peer_pid
from runners.execution.process_tags import children_of, has_mark
from runners.execution.provenance import installed_packages

#: From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 0.01
LOOKS = 200


class _Template:
    """The state of the template: its own PID, and that of the process that forked last."""

    def __init__(self) -> None:
        self.pid = self.forking = os.getpid()
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        self._prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        os.register_at_fork(before=self._before_fork, after_in_child=self._in_child)
        atexit.register(self._end_runs)

    def _before_fork(self) -> None:
        self.forking = os.getpid()
        if self.forking == self.pid:
            # A garbage collection would write to the pages shared with the run, and so copy them.
            gc.freeze()

    def _in_child(self) -> None:
        """Make a run die with the template. Called in the forks of a run, too, which it leaves."""
        if self.forking != self.pid:
            return
        self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self.pid:  # the template has ended already
            os._exit(1)

    def _end_runs(self) -> None:
        """Kill the groups of all runs: one that holds the interpreter's lock cannot do it."""
        if os.getpid() != self.pid:
            return
        for _ in range(LOOKS):
            runs = [pid for pid in children_of(self.pid) if not has_mark(pid)]
            if not runs:
                return
            for pid in runs:
                _kill(pid)
            _reap()
            time.sleep(LOOK_SECONDS)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _heed_only(server: int) -> None:
    """Start processes for the server alone.

    Whoever else reaches the template's socket, such as a run, would get a process that is confined
    to nothing.
    """
    receive: Any = reduction.recvfds
    template = os.getpid()

    def receive_from_server(connection: socket.socket, size: int) -> list[int]:
        # Runs, which are forked from here, receive from whom they like.
        if os.getpid() == template and peer_pid(connection) not in (server, None):
            # To the template's loop this is a connection that has gone.
            raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
        descriptors: list[int] = receive(connection, size)
        return descriptors

    vars(reduction)["recvfds"] = receive_from_server


# An adopted process that ends is unexpected to multiprocessing.
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")
if sys.platform == "linux" and Path("/proc/self/stat").exists():
    _template = _Template()
_heed_only(os.getppid())
environment.clear_initial()
# These fill caches, so that runs look only for what has changed since.
tempfile.gettempdir()
installed_packages(sys.path)
