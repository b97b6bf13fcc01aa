"""What becomes of the memory that a frame has used: the next frame uses it again."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

#: Blocks up to this size are used again once they are free, rather than given back to the system,
#: which would have to clear them anew for each frame …
REUSED_BYTES = 16 * 1024**2
#: … and so much free memory is kept by each arena.
KEPT_BYTES = 64 * 1024**2

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Keep what is freed, in this process and from now on; only the GNU C library knows how."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, REUSED_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
