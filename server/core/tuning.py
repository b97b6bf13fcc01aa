"""Settings of the process: how threads share the interpreter, and what becomes of freed memory."""

from __future__ import annotations

import ctypes
import sys

#: How long a thread that computes keeps the interpreter while the event loop waits for it. With
#: Python's own 5 ms, a request that waits ten times takes 50 ms longer.
SWITCH_SECONDS = 0.0005
#: Blocks of memory up to this size are used again once they are free, rather than given back to the
#: system, which would have to clear them anew: a download takes 0.8 of the processor time.
REUSED_BYTES = 4 * 1024**2
#: How much free memory each arena keeps.
KEPT_BYTES = 16 * 1024**2

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def tune_process() -> None:
    """Set what suits a server whose threads decompress, encode and compare much."""
    sys.setswitchinterval(SWITCH_SECONDS)
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # the GNU C library
        mallopt(_MMAP_THRESHOLD, REUSED_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
