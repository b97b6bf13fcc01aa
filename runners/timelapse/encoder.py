"""Films: shades of grey, frame by frame, encoded as WebM, MP4 or GIF that any browser plays.

Frames are encoded as they come and none is kept. What they show is left to others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

GreyImage = NDArray[np.uint8]

#: More threads gain nothing at these sizes, and each holds frames.
MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class Encoding:
    """What the libraries need to be told for a format."""

    codec: str
    pixels: str
    options: dict[str, str]
    container: dict[str, str] = field(default_factory=dict)


ENCODINGS = {
    # Realtime VP9 is about 15 times as fast as its default and no bigger on noisy skies. It gains
    # nothing by looking ahead, and then encodes all the frames it holds when there are no more.
    "webm": Encoding(
        "libvpx-vp9",
        "yuv420p",
        {
            "deadline": "realtime",
            "cpu-used": "8",
            "crf": "32",
            "b": "0",
            "row-mt": "1",
            "lag-in-frames": "0",
        },
    ),
    # The index goes to the front, so that playing starts before the whole file is there.
    "mp4": Encoding(
        "libx264", "yuv420p", {"preset": "veryfast", "crf": "23"}, {"movflags": "+faststart"}
    ),
    "gif": Encoding("gif", "gray", {}, {"loop": "0"}),
}


class Film:
    """A film being written; made by `open_film`."""

    def __init__(self, container: Any, stream: VideoStream, frame_seconds: Fraction) -> None:
        self._container = container
        self._stream = stream
        self._frame_seconds = frame_seconds
        self._frames = 0

    def add(self, shades: GreyImage) -> None:
        """Append a frame: uint8, shape (height, width), top row first."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shades), format="gray")
        # Not the stream's own time base, which becomes the container's once there is a header.
        frame.pts, frame.time_base = self._frames, self._frame_seconds
        self._frames += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def open_film(path: Path, format: str, fps: float, width: int, height: int) -> Iterator[Film]:
    """A film to `add` frames to; whole once the block is left without an error.

    `format` is `webm` (VP9), `mp4` (H.264) or `gif`; sides are even. Raises ValueError otherwise.
    """
    if format not in ENCODINGS:
        raise ValueError(f"A film can be {', '.join(ENCODINGS)}, but not '{format}'")
    if width % 2 or height % 2:
        raise ValueError(f"The sides of a film must be even, and {width} x {height} are not")
    encoding = ENCODINGS[format]
    with av.open(str(path), "w", format=format, options=encoding.container) as container:
        rate = Fraction(fps).limit_denominator(1000)
        stream = cast(
            VideoStream, container.add_stream(encoding.codec, rate, options=encoding.options)
        )
        stream.width, stream.height, stream.pix_fmt = width, height, encoding.pixels
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.thread_count = min(MOST_THREADS, os.cpu_count() or 1)
        film = Film(container, stream, 1 / rate)
        yield film
        film.finish()
