"""Having what was written on the disk, so that a power cut does not take it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

#: From so many paths on, one flush of their file system takes less time than one of each.
MANY = 32


def sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Sequence[Path]) -> None:
    """Have files, and the entries of folders, on the disk; all of them are on one file system."""
    if len(paths) < MANY or sys.platform != "linux":
        for path in paths:
            sync(path)
        return
    descriptor = os.open(paths[0], os.O_RDONLY)
    try:
        # Since Linux 5.8, syncfs(2) reports what could not be written, as fsync does.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
