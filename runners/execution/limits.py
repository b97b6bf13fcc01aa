"""What a run may use of the machine, and how the child is held to it.

The kernel does the holding. Where a limit comes from is left to the configuration; how long a run
may take is the server's to watch.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

import msgspec

#: Added to what the kernel would take by: when memory runs out, it ends a run and not the server.
OUT_OF_MEMORY_SCORE = 500


class Limits(msgspec.Struct, frozen=True):
    """What a run may use; None leaves it as it is. `nice` is added to the process's niceness."""

    address_space_bytes: int | None = None
    cpu_seconds: int | None = None
    file_size_bytes: int | None = None
    open_files: int | None = None
    nice: int = 0


def apply(limits: Limits) -> None:
    """Hold this process, and all that it starts, to the limits; no core is dumped."""
    kinds = {
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_size_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in kinds.items():
        if limit is not None:
            _limit(kind, limit)
    # A write over the size limit is then an OSError that says so, and not a signal.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limits.nice:
        os.nice(limits.nice)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_bytes(b"%d" % OUT_OF_MEMORY_SCORE)


def _limit(kind: int, limit: int) -> None:
    """Limit a resource for good: the hard limit too, so that it cannot be lifted again."""
    # Over its soft limit of CPU seconds a run gets a signal that says so, over the other SIGKILL.
    wanted = (limit, limit + 1 if kind == resource.RLIMIT_CPU else limit)
    most = resource.getrlimit(kind)[1]
    if most != resource.RLIM_INFINITY:
        wanted = (min(wanted[0], most), min(wanted[1], most))
    resource.setrlimit(kind, wanted)


def out_of_memory(limits: Limits) -> str:
    """The line that the log has below the traceback of a MemoryError."""
    limit = limits.address_space_bytes
    if limit is None:
        return "It was out of memory\n"
    return f"It was out of memory: its address space is limited to {limit} bytes\n"
