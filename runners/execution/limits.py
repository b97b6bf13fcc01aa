"""Limits on what a run may use of the machine, enforced by the kernel.

Where a limit comes from is left to the configuration, and the time that a run may take to the
server.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

import msgspec

#: Added to the kernel's badness score: when memory runs out, it kills a run and not the server.
OUT_OF_MEMORY_SCORE = 500


class Limits(msgspec.Struct, frozen=True):
    """The limits of a run; None leaves one as it is. `nice` is added to the process's niceness.

    `open_files_soft` is the soft limit alone, which a server raises for itself.
    """

    address_space_bytes: int | None = None
    cpu_seconds: int | None = None
    file_size_bytes: int | None = None
    open_files: int | None = None
    open_files_soft: int | None = None
    nice: int = 0


def apply(limits: Limits) -> None:
    """Limit this process and all that it starts, and disable core dumps."""
    kinds = {
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_size_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    if limits.open_files_soft is not None:
        _lower_open_files(limits.open_files_soft)
    for kind, limit in kinds.items():
        if limit is not None:
            _limit(kind, limit)
    # Ignored, so that a write over the size limit raises an OSError.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limits.nice:
        os.nice(limits.nice)


def prefer_when_out_of_memory() -> None:
    """Have the kernel kill this process, or what it starts, before the server."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_bytes(b"%d" % OUT_OF_MEMORY_SCORE)


def _lower_open_files(soft: int) -> None:
    """Lower the soft limit alone: programs that go through all numbers of files are slow else."""
    present, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and (present == resource.RLIM_INFINITY or soft < present):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _limit(kind: int, limit: int) -> None:
    """Set the soft and the hard limit of a resource, so that it cannot be raised again."""
    # SIGXCPU comes at the soft limit of CPU seconds, SIGKILL at the hard one.
    wanted = (limit, limit + 1 if kind == resource.RLIMIT_CPU else limit)
    most = resource.getrlimit(kind)[1]
    if most != resource.RLIM_INFINITY:
        wanted = (min(wanted[0], most), min(wanted[1], most))
    resource.setrlimit(kind, wanted)


def out_of_memory(limits: Limits) -> str:
    """Return the line to log below the traceback of a MemoryError."""
    limit = limits.address_space_bytes
    if limit is None:
        return "It was out of memory\n"
    return f"It was out of memory: its address space is limited to {limit} bytes\n"
