"""Frames made into pictures: read, cleaned, aligned and stretched by a few threads ahead of use.

Each frame is read once and dropped, so memory depends on the size of a frame, not on their number.
Reading is left to `frames`, size to `view`, brightness to `brightness`, films to `film`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runners.fits.files import FrameError
from runners.fits.images import Frame, read_frame
from runners.imaging import alignment
from runners.imaging.alignment import StarPositions
from runners.imaging.brightness import Levels, levels, smooth_levels, stretched, subtract_background
from runners.imaging.cosmic_rays import without_cosmic_rays
from runners.imaging.scaling import View, rescale
from runners.timelapse.prefetch import helpers, prefetch

Image = NDArray[np.float32]
GreyImage = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame of the film: shades of shape (view.height, view.width), top row first.

    `aligned` is false for one that should have been and could not.
    """

    shades: GreyImage
    frame: Frame
    aligned: bool = True


class _MadeFrame(NamedTuple):
    image: Image
    frame: Frame
    aligned: bool


@dataclass(frozen=True, slots=True)
class FrameWork:
    """What is done to each frame before it is stretched; by several threads at a time."""

    view: View
    normalise_background: bool = False
    remove_cosmic_rays: bool = False
    align: bool = False

    @classmethod
    def of(cls, view: View, flags: Mapping[str, bool]) -> FrameWork:
        """The work that flags ask for."""
        return cls(view, **{name: flags.get(name, False) for name in cls.__slots__[1:]})

    def read(
        self, frame: Frame, reference: StarPositions | None = None
    ) -> tuple[_MadeFrame, Levels, str]:
        """The frame as it is shown, its levels and its kind; aligned to a reference if given."""
        image, is_aligned = self._image(frame), True
        own = levels(image)  # before there is anything from outside the image on it
        if reference is not None:
            moved = alignment.aligned(image, reference, own.sky)
            image, is_aligned = (image, False) if moved is None else (moved, True)
        return _MadeFrame(image, frame, is_aligned), own, frame.kind

    def reference(self, frame: Frame) -> StarPositions:
        """The places of the stars to which other frames are aligned."""
        return alignment.star_places(self._image(frame))

    def _image(self, frame: Frame) -> Image:
        image = read_frame(frame)
        if self.remove_cosmic_rays:
            image = without_cosmic_rays(image)
        image = rescale(image, self.view)
        return subtract_background(image) if self.normalise_background else image


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


def film_frames(frames: Sequence[Frame], work: FrameWork) -> Iterator[Picture]:
    """The pictures of a film, in the order of the frames, brightness steady along them.

    Raises FrameError for a frame that cannot be read.
    """
    reference = work.reference(frames[0]) if work.align else None
    read = partial(work.read, reference=reference)
    with helpers() as pool:
        yield from prefetch(pool, _picture, smooth_levels(prefetch(pool, read, frames)))


def _picture(steady: tuple[_MadeFrame, Levels]) -> Picture:
    made, shared = steady
    # FITS counts rows from the bottom, films from the top.
    shades = np.ascontiguousarray(stretched(made.image, shared)[::-1])
    return Picture(shades, made.frame, made.aligned)
