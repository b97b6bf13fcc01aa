"""The built-in timelapse: frames of one target, in the order they were taken, as a film.

Two passes: headers only, for dates and sizes; then each frame is read once, by a few threads ahead
of the encoder, and dropped. So memory depends on the size of a frame, not on their number. Reading
is left to `frames`, size to `framing`, brightness to `brightness`, encoding to `film`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from runners.brightness import Levels, flattened, levels, steadied, stretched
from runners.film import open_film
from runners.fitsfiles import FrameError, quiet
from runners.frames import Frame, find_frame, read_frame
from runners.framing import Framing, framing, shown
from runners.pipeline import NO_INPUTS, AsyncError, PipelineProcess

Image = NDArray[np.float32]
Shades = NDArray[np.uint8]
Given = TypeVar("Given")
Made = TypeVar("Made")

#: Frames read at the same time; more would wait for the encoder.
MOST_READERS = 4


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """How a film is made: `size` is its longest side in pixels at most, `fps` frames a second.

    `crop_scale` is the part of each side that `crop` keeps.
    """

    format: str = "webm"
    fps: float = 10
    size: int = 500
    crop_scale: float = 0.5

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> FilmSettings:
        """Those among the settings of a run that are about films."""
        return cls(**{key: settings[key] for key in cls.__slots__ if key in settings})


class Timelapse(PipelineProcess):
    """A film of the frames in the order in which they were taken."""

    short_name: ClassVar[str] = "timelapse"
    process_type: ClassVar[str] = "timelapse"
    allowed_suffixes: ClassVar[list[str] | None] = [".fits", ".fit", ".fts", ".fz", ".fits.gz"]
    flags: ClassVar[dict[str, dict[str, Any]] | None] = {
        "normalise_background": {
            "default": False,
            "long_name": "Process each frame to achieve a consistent background brightness across "
            "the timelapse",
        },
        "crop": {
            "default": False,
            "long_name": "Crop each frame in the timelapse around its centre pixel",
        },
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path]:
        """Yield the film, `timelapse.<format>`; raise AsyncError for a frame that cannot be used.

        `normalise_background` and `crop` are taken as off when not given.
        """
        settings = FilmSettings.of(self.settings)
        path = Path(tmpdir) / f"timelapse.{settings.format}"
        try:
            with quiet():
                frames = self._sorted_frames()
                self._film(path, frames, settings, **flags)
        except FrameError as error:
            raise AsyncError(str(error)) from error
        self.log("Finished")
        yield path

    def _sorted_frames(self) -> list[Frame]:
        self.log("Sorting frames")
        products = self.input_files.all()
        if not products:
            raise AsyncError(NO_INPUTS)
        frames = []
        with self.update_status(f"Sorting {len(products)} frames"):
            for product in products:
                self.check_cancelled()
                frames.append(find_frame(Path(product.data.path), product.name))
        return in_order(frames)

    def _film(
        self,
        path: Path,
        frames: list[Frame],
        settings: FilmSettings,
        normalise_background: bool = False,
        crop: bool = False,
    ) -> None:
        crop_scale = settings.crop_scale if crop else 1.0
        view = framing(frames[0].width, frames[0].height, settings.size, crop_scale)
        pictures = film_frames(frames, view, normalise_background)
        with (
            self.update_status("Making the film"),
            open_film(path, settings.format, settings.fps, view.width, view.height) as film,
        ):
            for done, shades in enumerate(pictures, 1):
                self.check_cancelled()
                self.log(f"Processing frame {done}/{len(frames)}")
                film.add(shades)
                self.progress(done, len(frames))


def in_order(frames: Iterable[Frame]) -> list[Frame]:
    """The frames by date, then by name.

    Raises FrameError for one without a date and for one whose sides are not those of the first.
    """
    given = list(frames)
    for frame in given:
        if frame.date is None:
            raise FrameError(frame.name, frame.undated)
        if frame.sides != given[0].sides:
            problem = f"is {frame.sides} pixels, but {given[0].name} is {given[0].sides}"
            raise FrameError(frame.name, problem)
    return sorted(given, key=lambda frame: (frame.date or 0.0, frame.name))


def film_frames(
    frames: Iterable[Frame], view: Framing, normalise_background: bool = False
) -> Iterator[Shades]:
    """The pictures of a film, uint8 of shape (view.height, view.width), top row first.

    With `normalise_background` each frame's background is taken away, so that the sky is flat
    and alike in all. Raises FrameError for a frame that cannot be read.
    """
    read = partial(_read, view=view, normalise_background=normalise_background)
    for image, shared in steadied(read_ahead(read, frames)):
        # FITS counts rows from the bottom, films from the top.
        yield stretched(image, shared)[::-1]


def read_ahead(work: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[Made]:
    """What `work` makes of each item, in order, done by a few threads a few items ahead."""
    readers = min(MOST_READERS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(readers, thread_name_prefix="frame")
    ahead: deque[Future[Made]] = deque()
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > readers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(frame: Frame, view: Framing, normalise_background: bool) -> tuple[Image, Levels, str]:
    image = shown(read_frame(frame), view)
    if normalise_background:
        image = flattened(image)
    return image, levels(image), frame.kind
