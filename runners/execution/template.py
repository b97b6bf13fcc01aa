"""Makes the template process the parent that runs need. Imported by the template alone.

Importing it changes the process. On Linux the template then adopts what runs leave behind, so that
it can be found; each run dies with the template, whatever its threads do; and the template, which
ends when its server does, however that ended, takes the groups of its runs along. Elsewhere the
runs see to that themselves, see `runners.execution.worker`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
import warnings
from pathlib import Path

from runners.execution.process_tags import children_of, has_mark
from runners.execution.provenance import installed_packages

#: From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 0.01
LOOKS = 200


class _Template:
    """This process, and which one it was that forked last."""

    def __init__(self) -> None:
        self.pid = self.forking = os.getpid()
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        self._prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        os.register_at_fork(before=self._before_fork, after_in_child=self._in_child)
        atexit.register(self._end_runs)

    def _before_fork(self) -> None:
        self.forking = os.getpid()
        if self.forking == self.pid:
            # A collection would write to what the run shares with us, and so copy it.
            gc.freeze()

    def _in_child(self) -> None:
        """Have a run die with us. What a run forks itself comes by here too."""
        if self.forking != self.pid:
            return
        self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self.pid:  # we were gone already
            os._exit(1)

    def _end_runs(self) -> None:
        """Kill the groups of all runs: a run that holds the interpreter's lock cannot do it."""
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


# What was adopted ends at some time, which the template is not told of beforehand.
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")
if sys.platform == "linux" and Path("/proc/self/stat").exists():
    _template = _Template()
# Runs look only for what was installed since.
installed_packages(sys.path)
