"""Encodes films of grey or coloured frames as WebM, MP4 or GIF that any browser plays.

Frames are encoded as they come, and none is kept. What they show is left to `rendering`.
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

from runners.imaging.brightness import Shades
from runners.timelapse.palette import Palette

#: More threads gain nothing at these sizes, and each holds frames.
MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class Encoding:
    """The parameters of the libraries for a format."""

    codec: str
    pixels: str
    options: dict[str, str]
    container: dict[str, str] = field(default_factory=dict)


ENCODINGS = {
    # Realtime VP9 is about 15 times as fast as its default and no larger for noisy skies. Lookahead
    # gains nothing, and would leave frames to be encoded after the last one has come.
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
    # The index goes to the front, so that playing starts before the whole file has arrived.
    "mp4": Encoding(
        "libx264", "yuv420p", {"preset": "veryfast", "crf": "23"}, {"movflags": "+faststart"}
    ),
    "gif": Encoding("gif", "gray", {}, {"loop": "0"}),
}

#: The pixels of films in colour, where grey ones have others.
COLOUR_PIXELS = {"gif": "pal8"}


class Film:
    """A film that is being written; `open_film` makes it."""

    def __init__(self, container: Any, stream: VideoStream, frame_seconds: Fraction) -> None:
        self._container = container
        self._stream = stream
        self._frame_seconds = frame_seconds
        self._frames = 0
        self._palette: Palette | None = None

    def add(self, shades: Shades) -> None:
        """Append a frame: uint8, shape (height, width) or (height, width, 3), top row first."""
        frame = self._framed(np.ascontiguousarray(shades))
        # Not the stream's own time base, which becomes the container's after the header.
        frame.pts, frame.time_base = self._frames, self._frame_seconds
        self._frames += 1
        self._container.mux(self._stream.encode(frame))

    def _framed(self, shades: Shades) -> av.VideoFrame:
        if self._stream.pix_fmt == "pal8":
            return self._indexed(shades)
        if shades.ndim == 3:
            return av.VideoFrame.from_ndarray(shades, format="rgb24")
        return av.VideoFrame.from_ndarray(shades, format="gray")

    def _indexed(self, shades: Shades) -> av.VideoFrame:
        if shades.ndim == 2:
            shades = np.repeat(shades[:, :, np.newaxis], 3, axis=2)
        if self._palette is None:
            self._palette = Palette(shades)
        # The stubs of av do not know that `pal8` takes two arrays.
        drawn: Any = (self._palette.indices(shades), self._palette.argb())
        return av.VideoFrame.from_ndarray(drawn, format="pal8")

    def finish(self) -> None:
        """Write the frames that the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def open_film(
    path: Path, format: str, fps: float, width: int, height: int, *, in_colour: bool = False
) -> Iterator[Film]:
    """Open a film to `add` frames to; it is complete when the block ends without an error.

    Frames in colour need `in_colour`, or a GIF shows their grey; there may be grey ones among them.
    `format` is `webm` (VP9), `mp4` (H.264) or `gif`, and sides are even, else raise ValueError.
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
        stream.width, stream.height, stream.pix_fmt = (
            width,
            height,
            (COLOUR_PIXELS.get(format, encoding.pixels) if in_colour else encoding.pixels),
        )
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.thread_count = min(MOST_THREADS, os.cpu_count() or 1)
        film = Film(container, stream, 1 / rate)
        yield film
        film.finish()
