"""Renders frames: a few threads read, clean, register and stretch them ahead of use.

Each frame is read once and dropped, so memory depends on the size of a frame, not on their number.
Reading is left to `runners.fits.images`, the steps to `runners.imaging`, films to `encoder`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from runners.fits.files import FrameError
from runners.fits.images import Frame, Image, read_science
from runners.imaging import alignment
from runners.imaging.alignment import LEAST_STARS, MOST_STARS, StarPositions
from runners.imaging.brightness import Levels, Shades, smooth_levels
from runners.imaging.colour import grey
from runners.imaging.scaling import View, widened
from runners.imaging.showing import level_scene, scene_of, without_rays
from runners.imaging.stretches import STRETCHES, film_levels, film_shades
from runners.timelapse.memory import keep_freed_memory
from runners.timelapse.prefetch import helpers, prefetch

#: The frames among which a reference is looked for at first: each has to be read.
MOST_TRIED = 40
#: Pictures stretched ahead of use: that is soon done, and the first one would wait for more reads.
STRETCHED_AHEAD = 1

LeaveOut = Callable[[FrameError, Frame], None]


@dataclass(frozen=True, slots=True)
class Motion:
    """By how much a frame was off, in its pixels (right, up) and in degrees; it is taken away."""

    x: float
    y: float
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered frame: shades of shape (view.height, view.width), top row first.

    Frames in colour have the shape (view.height, view.width, 3).

    `sky` is the level of the sky in the file's units. `aligned` is false for a frame that should
    have been registered and could not be, `motion` is set for one that was.
    """

    shades: Shades
    frame: Frame
    aligned: bool = True
    sky: float = 0.0
    motion: Motion | None = None


class _MadeFrame(NamedTuple):
    image: Image
    frame: Frame
    sky: float
    aligned: bool = True
    motion: Motion | None = None


_Read = tuple[_MadeFrame, Levels, str]


@dataclass(frozen=True, slots=True)
class FrameWork:
    """The steps that each frame goes through; safe for several threads."""

    view: View
    normalise_background: bool = False
    remove_cosmic_rays: bool = False
    align: bool = False
    stretch: str = STRETCHES[0]

    @classmethod
    def of(cls, view: View, flags: Mapping[str, bool], stretch: str = STRETCHES[0]) -> FrameWork:
        """Return the steps that flags ask for, and a stretch."""
        steps = {name: flags.get(name, False) for name in cls.__slots__[1:-1]}
        return cls(view, stretch=stretch, **steps)

    def read(self, frame: Frame, reference: StarPositions | None = None) -> _Read:
        """Return the frame, registered to a reference if there is one, its levels and its kind."""
        if reference is None:
            image, own, sky = self._image(frame, self.view)
            return _MadeFrame(image, frame, sky), film_levels(image, own, self.stretch), frame.kind
        view, (across, down) = self._whole(frame)
        image, own, sky = self._image(frame, view)
        found = alignment.aligned(image, reference, own.sky)
        whole = image if found is None else found.image
        cropped = whole[..., down : down + self.view.height, across : across + self.view.width]
        motion = None if found is None else self._motion(found)
        made = _MadeFrame(cropped, frame, sky, found is not None, motion)
        return made, film_levels(cropped, own, self.stretch), frame.kind

    def stars(self, frame: Frame) -> StarPositions:
        """Return the positions of all stars of a frame, to which others can be registered.

        Stars outside the view count too: while the field drifts, the same ones are seen longer.
        """
        return alignment.all_star_places(grey(self._image(frame, self._whole(frame)[0])[0]))

    def shades(self, image: Image, shared: Levels) -> Shades:
        """Return the shades of a frame between the levels that it shares with its neighbours."""
        return film_shades(image, shared, self.stretch)

    def _motion(self, found: alignment.Registered) -> Motion:
        scale = (self.view.box[2] - self.view.box[0]) / self.view.width
        x, y = found.shift
        return Motion(x * scale, y * scale, found.degrees)

    def _whole(self, frame: Frame) -> tuple[View, tuple[int, int]]:
        return widened(self.view, frame.width, frame.height)

    def _image(self, frame: Frame, view: View) -> tuple[Image, Levels, float]:
        """Return the pixels of a view, their levels, and the sky in the file's units."""
        science = read_science(frame, as_stored=not self.remove_cosmic_rays)
        if self.remove_cosmic_rays:
            science = without_rays(science)
        image, own = level_scene(scene_of(science, view), normalise=self.normalise_background)
        return image, own, science.zero + science.unit * own.sky


def film_frames(
    frames: Sequence[Frame], work: FrameWork, leave_out: LeaveOut | None = None
) -> Iterator[Picture]:
    """Yield the rendered frames of a film, in their order, with smoothed brightness.

    A frame that cannot be read goes to `leave_out`, some frames ahead; without that, raise its
    FrameError.
    """
    keep_freed_memory()
    with helpers() as pool:
        reference = _reference(pool, frames, work) if work.align else None
        read = partial(_read_or_error, partial(work.read, reference=reference))
        found = _legible(zip(frames, prefetch(pool, read, frames), strict=True), leave_out)
        steady = smooth_levels(found)
        for first in islice(steady, 1):  # which is encoded while others are read
            yield _picture(work, first)
        yield from prefetch(pool, partial(_picture, work), steady, STRETCHED_AHEAD)


def _read_or_error(read: Callable[[Frame], _Read], frame: Frame) -> _Read | FrameError:
    try:
        return read(frame)
    except FrameError as error:
        return error


def _legible(
    found: Iterable[tuple[Frame, _Read | FrameError]], leave_out: LeaveOut | None
) -> Iterator[_Read]:
    for frame, each in found:
        if not isinstance(each, FrameError):
            yield each
        elif leave_out is None:
            raise each
        else:
            leave_out(each, frame)


def _reference(pool: ThreadPoolExecutor, frames: Sequence[Frame], work: FrameWork) -> StarPositions:
    """Return the brightest stars of the frame that has most: the first ones may be clouded.

    Of many frames some are looked at, and the others only if these have no stars.
    """
    step = math.ceil(len(frames) / MOST_TRIED)
    best: StarPositions = np.empty((0, 2))
    for first in range(step):
        for places in prefetch(pool, partial(_stars, work), frames[first::step]):
            best = max(best, places, key=len)
        if len(best) >= LEAST_STARS:
            break
    return best[:MOST_STARS]


def _stars(work: FrameWork, frame: Frame) -> StarPositions:
    try:
        return work.stars(frame)
    except FrameError:  # it is left out when its turn comes
        return np.empty((0, 2))


def _picture(work: FrameWork, steady: tuple[_MadeFrame, Levels]) -> Picture:
    made, shared = steady
    # FITS counts rows from the bottom, films from the top.
    shades = np.ascontiguousarray(work.shades(made.image[..., ::-1, :], shared))
    return Picture(shades, made.frame, made.aligned, made.sky, made.motion)
