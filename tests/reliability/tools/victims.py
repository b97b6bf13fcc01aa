"""The OS processes that a server works with: found by who started them, and killed.

The engine holds the database, runs are forked from the template, and the examiner opens the files
that users send. A run may have children of its own.
"""

from __future__ import annotations

import contextlib

import psutil

ENGINE, TEMPLATE, EXAMINER = "engine", "template", "examiner"
#: What the command line of each of them has and no other child of a server.
MARKS = {
    ENGINE: "engine/child.py",
    TEMPLATE: "multiprocessing.forkserver",
    EXAMINER: "runners.examiner",
}


def find(server: int, victim: str) -> psutil.Process | None:
    """Return the victim of a server, given by its PID, or None while there is none."""
    for child in _children(server):
        with contextlib.suppress(psutil.Error):
            if MARKS[victim] in " ".join(child.cmdline()):
                return child
    return None


def children_of_runs(server: int) -> list[psutil.Process]:
    """Return the processes that the runs of a server have started and not left behind."""
    template = find(server, TEMPLATE)
    runs = [] if template is None else _children(template.pid)
    return [child for run in runs for child in _children(run.pid)]


def kill(victim: psutil.Process | None) -> bool:
    """Kill a process by SIGKILL; return whether it was there."""
    with contextlib.suppress(psutil.Error):
        if victim is not None:
            victim.kill()
            return True
    return False


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(pid).children())
    return []
