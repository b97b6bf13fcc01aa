"""The built-in timelapse: the frames of a target, in the order in which they were taken, as a film.

All headers are read first, for dates and sizes; then each frame is rendered, encoded and dropped.
Rendering is left to `rendering`, encoding to `encoder`, text on the frames to `overlay`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image as Pictures

from runners.fits import FITS_SUFFIXES
from runners.fits.files import FrameError, quiet
from runners.fits.images import Frame, find_frames
from runners.imaging import alignment
from runners.imaging.brightness import Shades
from runners.imaging.scaling import View, view_of
from runners.pipeline.inputs import stored_path
from runners.pipeline.process import NO_INPUTS, AsyncError, PipelineProcess
from runners.timelapse.encoder import open_film
from runners.timelapse.overlay import Overlay
from runners.timelapse.rendering import FrameWork, film_frames, in_order

#: The least time between two previews, and the longest side of one.
PREVIEW_SECONDS = 1.0
PREVIEW_SIDE = 640


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """How a film is made: the limit `size` of its longest side in pixels, `fps` frames per second.

    `crop_scale` is the part of each side that the flag `crop` keeps.
    """

    format: str = "webm"
    fps: float = 10
    size: int = 500
    crop_scale: float = 0.5

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> FilmSettings:
        """Return the settings of a run that concern films."""
        return cls(**{key: settings[key] for key in cls.__slots__ if key in settings})


class Preview:
    """The last frame as a PNG file, replaced as a whole, and not too often."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown_at = -math.inf

    def show(self, shades: Shades) -> None:
        """Replace the preview by this frame, unless it was replaced a moment ago."""
        if time.monotonic() - self._shown_at < PREVIEW_SECONDS:
            return
        picture = Pictures.fromarray(np.ascontiguousarray(shades))
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        partial_path = self._path.with_suffix(".part")
        picture.save(partial_path, "PNG")
        partial_path.replace(self._path)
        self._shown_at = time.monotonic()


class Timelapse(PipelineProcess):
    """A film of the frames in the order in which they were taken."""

    short_name: ClassVar[str] = "timelapse"
    process_type: ClassVar[str] = "timelapse"
    allowed_suffixes: ClassVar[list[str] | None] = list(FITS_SUFFIXES)
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
        "remove_cosmic_rays": {
            "default": False,
            "long_name": "Remove cosmic rays from each frame (stars must be two pixels wide)",
        },
        "align": {
            "default": False,
            "long_name": "Align the frames by their stars (needs the extra align)",
        },
        "overlay": {
            "default": False,
            "long_name": "Write target and time on each frame, with a scale bar",
        },
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path]:
        """Yield the film, `timelapse.<format>`. Raise AsyncError for a frame that cannot be used.

        A missing flag is off. While the film is made, `preview.png` is its last frame.
        """
        settings, folder = FilmSettings.of(self.settings), Path(tmpdir)
        path = folder / f"timelapse.{settings.format}"
        if flags.get("align") and (problem := alignment.missing()):
            raise AsyncError(problem)
        try:
            with quiet():
                frames = self._sorted_frames()
                self._film(path, frames, settings, flags)
        except FrameError as error:
            raise AsyncError(str(error)) from error
        self.log("Finished")
        yield path

    def _sorted_frames(self) -> list[Frame]:
        self.log("Sorting frames")
        products = self.input_files.all()
        if not products:
            raise AsyncError(NO_INPUTS)
        frames: list[Frame] = []
        with self.update_status(f"Sorting {len(products)} frames"):
            for product in products:
                self.check_cancelled()
                frames += find_frames(stored_path(product), product.name)
        return in_order(frames)

    def _film(
        self, path: Path, frames: list[Frame], settings: FilmSettings, flags: Mapping[str, bool]
    ) -> None:
        crop_scale = settings.crop_scale if flags.get("crop") else 1.0
        view = view_of(frames[0].width, frames[0].height, settings.size, crop_scale=crop_scale)
        work = FrameWork.of(view, flags)
        overlay = overlay_of(self.target.name, frames[0], view) if flags.get("overlay") else None
        preview = Preview(path.with_name("preview.png"))
        in_colour = any(frame.layout.mosaic or frame.layout.planes == 3 for frame in frames)
        with (
            self.update_status("Making the film"),
            open_film(
                path, settings.format, settings.fps, view.width, view.height, in_colour=in_colour
            ) as film,
        ):
            for done, picture in enumerate(film_frames(frames, work), 1):
                self.check_cancelled()
                self.log(f"Processing frame {done}/{len(frames)}")
                if not picture.aligned:
                    self.log(f"{picture.frame.name} could not be aligned")
                shades = picture.shades
                if overlay is not None:
                    shades = overlay.drawn(shades, picture.frame.date)
                film.add(shades)
                preview.show(shades)
                self.progress(done, len(frames))


def overlay_of(title: str, frame: Frame, view: View) -> Overlay:
    """Return the overlay of a film whose frames have the scale of this one."""
    shrink = (view.box[2] - view.box[0]) / view.width
    return Overlay(title, None if frame.arcsec is None else frame.arcsec * shrink)
