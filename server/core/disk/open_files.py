"""The limit of open files of this OS process, which a server raises and its runs do not."""

from __future__ import annotations

import contextlib
import resource

#: The soft limit that this process was started with. Read before anything can raise it.
SOFT_LIMIT_AT_START = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
#: What to ask for where the hard limit is infinite, as on macOS, whose kernel allows this much.
LARGEST = 10_240
#: Kept for what is no connection: the database, files being read and written, pipes of runs.
KEPT = 256


def raise_limit() -> None:
    """Raise the soft limit to the hard one; where the system refuses, leave it as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LARGEST if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def spare() -> int:
    """Return how many connections fit below the present limit beside everything else."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        soft = LARGEST
    return max(soft - KEPT, soft // 2, 1)
