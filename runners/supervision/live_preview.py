"""The pictures that a run shows of its work in progress: `preview.png` in its working folder.

A film has one more for each of its frames, see `runners.timelapse.live_frames`. Only the server
that runs it has them. What they show is up to the pipeline.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

PICTURE = "preview.png"
FRAME = "frame-{}.jpg"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
LIMIT_BYTES = 8 * 2**20


def read_picture(folder: Path) -> bytes | None:
    """Return the PNG in an attempt's folder, or None when it is missing or not a PNG."""
    return _read(folder, PICTURE, SIGNATURE)


def read_frame(folder: Path, number: int) -> bytes | None:
    """Return a frame of a film that is being made, a JPEG, or None likewise."""
    return _read(folder, FRAME.format(number), JPEG_SIGNATURE)


def _read(folder: Path, name: str, signature: bytes) -> bytes | None:
    try:
        # No link is followed and no pipe waited for: a pipeline may have put anything there.
        work = os.open(folder / "work", os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(name, flags, dir_fd=work)
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
    return picture if picture.startswith(signature) else None
