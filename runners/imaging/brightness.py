"""How bright each pixel is shown: the levels of a frame, smoothed along a series, and a stretch.

Levels come from many pixels rather than from ZScale, whose lower limit is about the least of a
thousand samples and would make a film flicker. Reading and sorting frames is left to `timelapse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from statistics import median
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from runners.fits.images import Image
from runners.imaging.colour import grey
from runners.imaging.sky import Sky, find_sky

#: Grey levels from 0 to 255, shape (height, width).
GreyImage = NDArray[np.uint8]
#: Grey levels, or red, green and blue ones, shape (height, width, 3).
Shades = NDArray[np.uint8]
T = TypeVar("T")

#: The grey level of the sky, of 255: dark, with room for its noise, the same in every frame.
SKY_SHADE = 32
#: The stretch is linear below about this many sigma over the sky and logarithmic above …
LINEAR_SIGMA = 6.0
#: … but if more than this percentage of the pixels are above hundreds of sigma with all that is
#: around them, as with a planet or the moon, up to a third of what these have, in full from the
#: second number of sigma: stars are smaller, and objects have structure.
OBJECT_PERCENT, OBJECT_PART = 2.0, 3.0
OBJECT_SIGMA = (300.0, 2000.0)
#: A planet may be smaller; its edge is sharp: of what exceeds the second part of its brightness
#: this share exceeds the first, too. A star or a cluster has less.
DISC_PERCENT, DISC_PARTS, DISC_SHARE = 0.7, (0.5, 0.05), 0.9
#: The percentage of pixels that are brighter than white …
WHITE_PERCENT = 0.04
#: … which lies within these numbers of sigma above the sky: a frame without stars keeps a dark sky,
#: and a very bright star does not hide the faint ones.
WHITE_SIGMA = (20.0, 1000.0)
#: Over an image without noise, what is darker than this part of white is nearly linear.
NOISELESS_PART = 3.0
#: A pixel is at least this part as bright as its brightest colour: of one colour grey is a third.
ONE_COLOUR = 0.95
#: Steps of the stretch from black to white: finer than a grey level even near black.
STEPS = 2**15
#: How many frames before and after a frame its levels are smoothed over.
REACH = 4
#: An object is at most so many sigma above the sky: an image may have no noise at all.
MOST_RANGE = 3000.0
#: Pixels stretched at a time.
CACHED = 2**16
#: Pixels sampled for white, and every so many-th of these tells which of them are bright.
SAMPLES, FEW_STEP = 30_000, 16


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels in units of the image: the sky, its noise (one sigma), and white.

    The stretch is linear up to `linear` above the sky.
    """

    sky: float
    sigma: float
    white: float
    linear: float


def levels(image: Image, sky: Sky | None = None) -> Levels:
    """Return the levels of a 2-D image, in which NaN pixels do not count.

    `sky` is the sky of the image if it is known already; its slope must have been taken away.
    """
    sky = find_sky(image) if sky is None else sky
    bright, white = _bright(image, sky.level)
    # An image may have no noise at all (of one value, or of a planet on black).
    floor = max((bright - sky.level) / MOST_RANGE, abs(sky.level) * 1e-6, 1e-30)
    noiseless = sky.sigma < floor
    sigma = max(sky.sigma, floor)
    linear = _linear(sigma, bright - sky.level)
    if noiseless:
        linear = max(linear, (white - sky.level) / NOISELESS_PART)
    least, most = (sky.level + sigma * factor for factor in WHITE_SIGMA)
    most = max(most, sky.level + 2 * OBJECT_PART * linear)
    return Levels(sky.level, sigma, min(max(white, least), most), linear)


def brightness_of(planes: Image, sky: float = 0.0) -> Image:
    """Return how bright each pixel of red, green and blue is above a sky: the grey of them.

    What has but one colour counts for more, or it would be as bright as can be long before white.
    """
    middle = grey(planes)
    one: Image = planes.max(axis=0)
    one *= np.float32(ONE_COLOUR)
    if sky:
        one += np.float32(sky * (1 - ONE_COLOUR))
    brightness: Image = np.maximum(middle, one, out=one)
    return brightness


def evened(image: Image, sky: Sky) -> Image:
    """Return an image whose sky is level, without the slope that was found."""
    slope = sky.departure((image.shape[0], image.shape[1]))
    if slope is None:
        return image
    even: Image = np.subtract(image, slope, out=slope)
    return even


def levelled(image: Image, sky: Sky) -> Image:
    """Return an image whose sky is the same from cell to cell."""
    uneven = sky.unevenness((image.shape[0], image.shape[1]))
    even: Image = np.subtract(image, uneven, out=uneven)
    return even


def smooth_levels(
    series: Iterable[tuple[T, Levels, str]], reach: int = REACH
) -> Iterator[tuple[T, Levels]]:
    """Yield each item with smoothed levels, holding 2 * reach + 1 items at a time.

    `series` yields (item, levels, kind) in order. The sky level stays that of each frame, so that a
    drift does not show; noise and white are medians over neighbours of the same kind, so that odd
    frames (a satellite, a cloud) do not change the contrast.
    """
    coming = iter(series)
    held = list(islice(coming, reach + 1))
    place = 0
    while place < len(held):
        item, own, kind = held[place]
        yield item, _shared(own, [near for _, near, other in held if other == kind])
        held.extend(islice(coming, 1))
        if place < reach:
            place += 1
        else:
            del held[0]


def stretched(image: Image, levels: Levels) -> Shades:
    """Return shades from 0 to 255 by an inverse hyperbolic sine.

    The shape of a grey image is unchanged; planes of red, green and blue become (height, width, 3).
    After Lupton et al. 2004, PASP 116, 133: linear for the faint, logarithmic for the bright, and
    colours that do not fade where it is bright. Black is chosen so that the sky gets the level
    SKY_SHADE, which blank (NaN) pixels get too.
    """
    top, depth = _heights(levels)
    shades = np.empty((*image.shape[-2:], 3)[: image.ndim], np.uint8)
    # Some rows at a time, which stay in the processor's cache from step to step.
    many = max(1, CACHED // image[..., 0, :].size)
    for rows in (slice(first, first + many) for first in range(0, len(shades), many)):
        places = _places(image[..., rows, :], levels, top, depth)
        if places.ndim == 3:
            shades[rows] = _coloured(places, top)
        else:
            np.clip(places, 0, STEPS - 1, out=places)
            _curve(top).take(places.astype(np.uint16), out=shades[rows], mode="clip")
    return shades


def _places(image: Image, levels: Levels, top: float, depth: float) -> Image:
    """Return where pixels lie from black to white, in steps; those outside may be beyond."""
    places: Image = image - np.float32(levels.sky - depth * levels.linear)
    places *= np.float32((STEPS - 1) / (top * levels.linear))
    if np.isnan(places.min()):  # which is sooner found than each of them
        places[np.isnan(places)] = depth / top * (STEPS - 1)
    return places


def _coloured(places: Image, top: float) -> Shades:
    """Return the shades of planes, each pixel's in proportion to its red, green and blue."""
    middle = brightness_of(places)
    np.clip(middle, 1, STEPS - 1, out=middle)
    shades = places * _gain(top).take(middle.astype(np.uint16))
    brightest = shades.max(axis=0)
    shades *= np.float32(255) / np.maximum(brightest, 255)
    np.clip(shades, 0, 255, out=shades)
    return np.moveaxis(np.rint(shades).astype(np.uint8), 0, -1)


def _heights(levels: Levels) -> tuple[float, float]:
    """Return how far white and sky lie above black, in units of the linear part."""
    # In steps of 1 %, so that frames share a table.
    height = 1.01 ** round(math.log((levels.white - levels.sky) / levels.linear, 1.01))
    depth = 0.0
    for _ in range(3):  # converges at once, as the logarithm hardly depends on the depth
        depth = math.sinh(SKY_SHADE / 255 * math.asinh(height + depth))
    return height + depth, depth


def _shared(own: Levels, near: list[Levels]) -> Levels:
    height = median(each.white - each.sky for each in near)
    sigma, linear = (
        median(values) for values in zip(*((e.sigma, e.linear) for e in near), strict=True)
    )
    return Levels(own.sky, sigma, own.sky + height, linear)


@lru_cache(maxsize=8)
def _gain(top: float) -> Image:
    """Return the shade per step at each step from black to white."""
    steps = np.arange(1, STEPS + 1, dtype=np.float32)
    return np.divide(_curve(top), steps, dtype=np.float32)


@lru_cache(maxsize=64)  # a series has tens of them, of 32 KiB each
def _curve(top: float) -> GreyImage:
    """Return the grey level of each step from black to white: a table, as asinh is slow."""
    linear = np.linspace(0, top, STEPS, dtype=np.float32)
    shades: GreyImage = np.rint(np.arcsinh(linear) * (255 / math.asinh(top))).astype(np.uint8)
    return shades


def _linear(sigma: float, bright: float) -> float:
    """Return how far above the sky the stretch is linear, geometrically between its two ends."""
    stars = LINEAR_SIGMA * sigma
    begin, end = OBJECT_SIGMA
    if bright <= begin * sigma:
        return stars
    part = min(math.log(bright / sigma / begin) / math.log(end / begin), 1.0)
    return float(stars ** (1 - part) * (bright / OBJECT_PART) ** part)


def _bright(image: Image, sky: float) -> tuple[float, float]:
    """Return how bright the brightest part of an object is, and what few pixels exceed.

    Stars, hot pixels and what bleeds from a saturated star are too small or too thin for objects.
    """
    down = max(1, int((image.size / SAMPLES) ** 0.5))
    along = max(1, int(image.size / (SAMPLES * down)))
    some = np.ascontiguousarray(image[::along, ::down])
    known = _known(some)
    if not known.size:
        return sky, sky
    [white] = _exceeded(known, WHITE_PERCENT)
    return _object(some[::2, ::2], sky), white


def _object(some: Image, sky: float) -> float:
    """Return how bright the samples are whose neighbours are brightest too."""
    if min(some.shape) < 3:
        return sky
    some = np.ascontiguousarray(some)
    rows = np.minimum(np.minimum(some[:-2], some[1:-1]), some[2:])
    least = np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    known = _known(least)
    if not known.size:
        return sky
    limit, disc = _exceeded(known, OBJECT_PERCENT, DISC_PERCENT)
    disc -= sky
    inside, around = (np.count_nonzero(known > sky + part * disc) for part in DISC_PARTS)
    if inside > DISC_SHARE * around:
        limit = sky + disc
    middle = some[1:-1, 1:-1][least >= limit]
    return min(_median(middle), sky + 2 * (limit - sky))


def _known(values: Image) -> Image:
    """Return the values that are not blank, as one row."""
    flat = values.ravel()
    blank = np.isnan(flat)
    return flat[~blank] if blank.any() else flat


def _exceeded(values: Image, *percents: float) -> list[float]:
    """Return what each of these percentages of the values exceeds, the largest one first."""
    places = [round((values.size - 1) * (1 - part / 100)) - values.size for part in percents]
    ranked = np.sort(_brightest(values, -places[0]))
    return [float(ranked[place]) for place in places]


def _median(values: Image) -> float:
    """Return the median as numpy does, which takes ten times as long for so few values."""
    ranked = np.sort(values)
    half = len(ranked) // 2
    return float(ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2)


def _brightest(some: Image, count: int) -> Image:
    """Return the brightest `count` pixels and some more, which are sooner ranked than all."""
    few = np.sort(some[::FEW_STEP])
    cut = few[-min(2 * (count // FEW_STEP) + 2, len(few))]
    bright = some[some >= cut]
    return bright if len(bright) >= count else some
