"""What is seen of a film while it is made: its last frame, and each of its frames so far."""

from __future__ import annotations

import io
import math
import time
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from runners.imaging.brightness import Shades

#: The least time between two previews, and the longest side of a preview and of a kept frame.
PREVIEW_SECONDS = 1.0
PREVIEW_SIDE = 640
#: A kept frame: about a tenth of its PNG, and noise hides what is lost.
JPEG_QUALITY = 80
#: All kept frames together; the ones after that are not kept.
KEPT_BYTES = 128 * 2**20


def frame_name(number: int) -> str:
    """Return the name of the file of a kept frame, the first one being 1."""
    return f"frame-{number}.jpg"


class Preview:
    """The last frame as a PNG file, replaced as a whole, and not too often."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown_at = -math.inf

    def show(self, shades: Shades) -> None:
        """Replace the preview by this frame, unless it was replaced a moment ago."""
        if time.monotonic() - self._shown_at < PREVIEW_SECONDS:
            return
        _write(self._path, _picture_of(shades), "PNG")
        self._shown_at = time.monotonic()


class KeptFrames:
    """The frames of a film that is being made, one JPEG file each, up to a number of bytes."""

    def __init__(self, folder: Path, limit_bytes: int = KEPT_BYTES) -> None:
        self._folder = folder
        self._left_bytes = limit_bytes

    def keep(self, number: int, shades: Shades) -> None:
        """Keep a frame, unless there is no more room for it."""
        if self._left_bytes > 0:
            path = self._folder / frame_name(number)
            self._left_bytes -= _write(path, _picture_of(shades), "JPEG", quality=JPEG_QUALITY)


def _picture_of(shades: Shades) -> Pictures.Image:
    picture = Pictures.fromarray(np.ascontiguousarray(shades))
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return picture


def _write(path: Path, picture: Pictures.Image, format: str, **options: int) -> int:
    """Write a picture as a whole; return its size in bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    partial_path = path.with_suffix(".part")
    partial_path.write_bytes(buffer.getbuffer())
    partial_path.replace(path)
    return buffer.getbuffer().nbytes
