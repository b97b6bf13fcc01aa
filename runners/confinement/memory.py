"""Keeps other processes of the same user out of this one: out of its memory and environment."""

from __future__ import annotations

import ctypes
import sys

#: From <linux/prctl.h>.
PR_SET_DUMPABLE = 4


def hide() -> bool:
    """Deny other processes of this user what `/proc` shows of this one, and to trace it.

    It concerns environment, memory and open files, and also core dumps. Programs that this process
    starts are not hidden. Return whether the system can do so; root is never kept out.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
