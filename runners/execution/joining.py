"""Lets the Python children of a run speak for it: those of multiprocessing, and who is sent `self`.

A fork has all that it needs. A child of `spawn` or `forkserver` is a new interpreter: it joins the
run when it starts. Any other joins when it unpickles the pipeline. It finds the pipe of the run's
messages by the environment.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from runners.execution import streams
from runners.execution.reporter import PipeReporter

#: The variable that tells children of a run where its pipes are.
VARIABLE = "PIPELINE_MESSAGES"
_ROOT = str(Path(__file__).resolve().parents[2])
#: Executed by a child before it has its import path. Without the pipe it does what a plain child
#: does: its output goes to the descriptors that it has inherited.
_JOIN = f"""
import sys
path = sys.path[:]
sys.path.append({_ROOT!r})
try:
    from runners.execution import joining
    joining.join()
except Exception:
    pass
finally:
    sys.path[:] = path
"""

_reporter: PipeReporter | None = None


class _Join:
    """Unpickled, it lets a child join the run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (_JOIN, {})


class ChildReporter(PipeReporter):
    """The reporter of a run or of one of its children. Pickled, it is that of whoever unpickles."""

    def __reduce__(self) -> tuple[Any, ...]:
        return reporter_here, ()


class LooseReporter:
    """Prints the log of a pipeline that was unpickled where no run can be reached."""

    cancelled = False

    def text(self, text: str, *, level: str = "info") -> None:
        """Print text."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def frame(self, line: str, facts: Mapping[str, Any], *, level: str = "info") -> None:
        """Print the line about a frame."""
        self.text(f"{line}\n")

    def status(self, text: str) -> None:
        """Ignore a status."""

    def progress(self, done: float, total: float) -> None:
        """Ignore progress."""


def admit_children(reporter: PipeReporter, log_level: str) -> None:
    """Let children of this process, which is a run, join it from now on."""
    global _reporter
    _reporter = reporter
    inodes = [os.fstat(number).st_ino for number in (reporter.fileno(), 1, 2)]
    facts = (os.getpid(), reporter.fileno(), *inodes, log_level)
    os.environ[VARIABLE] = " ".join(map(str, facts))
    _prepare_children()


def _prepare_children() -> None:
    original = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        return {**original(name), "join": _Join()}

    spawn.get_preparation_data = get_preparation_data


def join() -> PipeReporter | None:
    """Open the pipe of the run to which this process belongs; return None if there is none.

    Its standard streams are those of the run, unless they lead elsewhere.
    """
    global _reporter
    with contextlib.suppress(OSError, ValueError):
        pid, number, *inodes, log_level = os.environ.get(VARIABLE, "").split()
        messages, out, err = map(int, inodes)
        descriptor = _opened(f"/proc/{int(pid)}/fd/{int(number)}", messages)
        _reporter = ChildReporter(descriptor)
        shared = [at for at, inode in ((1, out), (2, err)) if _inode(at) == inode]
        _prepare_children()
        streams.install(_reporter, log_level, tuple(shared))
    return _reporter


def reporter_here() -> PipeReporter | LooseReporter:
    """Return the reporter of the run to which this process belongs."""
    return _reporter or join() or LooseReporter()


def _opened(path: str, inode: int) -> int:
    """Open a pipe to write to it. Raise OSError if another has its place."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if _inode(descriptor) != inode:
        os.close(descriptor)
        raise FileNotFoundError(path)
    os.set_blocking(descriptor, True)
    return descriptor


def _inode(descriptor: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.fstat(descriptor).st_ino
    return None
