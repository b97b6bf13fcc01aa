"""The picture that a run shows of its work in progress: `preview.png` in its working folder.

Only the server that runs it has the picture. What it shows is up to the pipeline.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

PICTURE = "preview.png"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LIMIT_BYTES = 8 * 2**20


def read_picture(folder: Path) -> bytes | None:
    """Return the PNG in an attempt's folder, or None when it is missing or not a PNG."""
    try:
        # No link is followed and no pipe waited for: a pipeline may have put anything there.
        work = os.open(folder / "work", os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(PICTURE, flags, dir_fd=work)
        finally:
            os.close(work)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LIMIT_BYTES:
            return None
        picture = os.read(descriptor, LIMIT_BYTES)
    finally:
        os.close(descriptor)
    return picture if picture.startswith(SIGNATURE) else None
