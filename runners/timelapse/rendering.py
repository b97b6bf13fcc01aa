"""Renders frames: a few threads read, clean, register and stretch them ahead of use.

Each frame is read once and dropped, so memory depends on the size of a frame, not on their number.
Reading is left to `runners.fits.images`, the steps to `runners.imaging`, films to `encoder`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from runners.fits.files import FrameError
from runners.fits.images import Frame, Image, read_science
from runners.imaging import alignment
from runners.imaging.alignment import StarPositions
from runners.imaging.brightness import Levels, Shades, smooth_levels, stretched
from runners.imaging.colour import grey
from runners.imaging.scaling import View, widened
from runners.imaging.showing import level_scene, scene_of, without_rays
from runners.timelapse.prefetch import helpers, prefetch

#: The frames among which a reference is chosen, at most: each has to be read.
MOST_TRIED = 40


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered frame: shades of shape (view.height, view.width), top row first.

    Frames in colour have the shape (view.height, view.width, 3).

    `aligned` is false for a frame that should have been registered and could not be.
    """

    shades: Shades
    frame: Frame
    aligned: bool = True


class _MadeFrame(NamedTuple):
    image: Image
    frame: Frame
    aligned: bool


@dataclass(frozen=True, slots=True)
class FrameWork:
    """The steps that each frame goes through before it is stretched; safe for several threads."""

    view: View
    normalise_background: bool = False
    remove_cosmic_rays: bool = False
    align: bool = False

    @classmethod
    def of(cls, view: View, flags: Mapping[str, bool]) -> FrameWork:
        """Return the steps that flags ask for."""
        return cls(view, **{name: flags.get(name, False) for name in cls.__slots__[1:]})

    def read(
        self, frame: Frame, reference: StarPositions | None = None
    ) -> tuple[_MadeFrame, Levels, str]:
        """Return the frame, registered to a reference if there is one, its levels and its kind."""
        if reference is None:
            image, own = self._image(frame, self.view)
            return _MadeFrame(image, frame, True), own, frame.kind
        view, (across, down) = self._whole(frame)
        image, own = self._image(frame, view)
        moved = alignment.aligned(image, reference, own.sky)
        whole = image if moved is None else moved
        cropped = whole[..., down : down + self.view.height, across : across + self.view.width]
        return _MadeFrame(cropped, frame, moved is not None), own, frame.kind

    def stars(self, frame: Frame) -> StarPositions:
        """Return the positions of the stars of a frame, to which others can be registered.

        Stars outside the view count too: while the field drifts, the same ones are seen longer.
        """
        return alignment.star_places(grey(self._image(frame, self._whole(frame)[0])[0]))

    def _whole(self, frame: Frame) -> tuple[View, tuple[int, int]]:
        return widened(self.view, frame.width, frame.height)

    def _image(self, frame: Frame, view: View) -> tuple[Image, Levels]:
        image = read_science(frame)
        if self.remove_cosmic_rays:
            image = without_rays(image)
        return level_scene(scene_of(image, view), normalise=self.normalise_background)


def in_order(frames: Iterable[Frame]) -> list[Frame]:
    """Return the frames by date, then by name as people number them, then by place in their file.

    Raise FrameError for a frame without a date, unless all are of one file, and for one that
    differs in size from the first.
    """
    given = list(frames)
    of_one_file = len({frame.path for frame in given}) == 1
    for frame in given:
        if frame.date is None and not of_one_file:
            raise FrameError(frame.name, frame.undated)
        if frame.sides != given[0].sides:
            problem = f"is {frame.sides} pixels, but {given[0].name} is {given[0].sides}"
            raise FrameError(frame.name, problem)
    return sorted(given, key=lambda frame: (frame.date or 0.0, natural(frame.name), frame.plane))


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people number them: `frame2` before `frame10`."""
    pieces = re.split(r"(\d{1,18})", name, flags=re.ASCII)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def film_frames(frames: Sequence[Frame], work: FrameWork) -> Iterator[Picture]:
    """Yield the rendered frames of a film, in their order, with smoothed brightness.

    Raise FrameError for a frame that cannot be read.
    """
    with helpers() as pool:
        reference = _reference(pool, frames, work) if work.align else None
        read = partial(work.read, reference=reference)
        yield from prefetch(pool, _picture, smooth_levels(prefetch(pool, read, frames)))


def _reference(pool: ThreadPoolExecutor, frames: Sequence[Frame], work: FrameWork) -> StarPositions:
    """Return the stars of the frame that has most of them: the first ones may be clouded."""
    tried = frames[:: math.ceil(len(frames) / MOST_TRIED)]
    return max(prefetch(pool, work.stars, tried), key=len)


def _picture(steady: tuple[_MadeFrame, Levels]) -> Picture:
    made, shared = steady
    # FITS counts rows from the bottom, films from the top.
    shades = stretched(made.image[..., ::-1, :], shared)
    return Picture(shades, made.frame, made.aligned)
